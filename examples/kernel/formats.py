"""Writes a model's files: the LoRA adapter as PEFT does, and the merged weights as GGUF."""

import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter, LlamaFileType
from safetensors.numpy import save_file

from examples.kernel import features, lora
from examples.kernel.adam import Array
from examples.kernel.data import LABELS
from examples.kernel.model import BASE_NAME, HIDDEN, Classifier

ADAPTER = "lora_adapters/adapter_model.safetensors"
ADAPTER_CONFIG = "lora_adapters/adapter_config.json"
GGUF = "gguf/model-f16.gguf"
FILES = (ADAPTER, ADAPTER_CONFIG, GGUF)

ARCHITECTURE = "hashed-ngram-classifier"

_LAYER = "encoder"


def write(folder: Path, name: str, adapter: lora.Adapter, merged: Classifier) -> None:
    """Write FILES below the folder, over what an earlier attempt may have left there."""
    for path in FILES:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    _write_adapter(folder / ADAPTER, adapter)
    (folder / ADAPTER_CONFIG).write_text(json.dumps(_adapter_config(), indent=2) + "\n", encoding="utf-8")
    _write_gguf(folder / GGUF, name, merged)


def read_gguf(path: Path) -> Classifier:
    """Return the classifier in a GGUF file, with its 16-bit weights."""
    tensors = {tensor.name: tensor.data.astype(np.float32) for tensor in GGUFReader(path).tensors}
    return Classifier(tensors["encoder.weight"], tensors["head.weight"], tensors["head.bias"])


def _write_adapter(path: Path, adapter: lora.Adapter) -> None:
    prefix = f"base_model.model.{_LAYER}"
    tensors: dict[str, Array] = {f"{prefix}.lora_A.weight": adapter.a, f"{prefix}.lora_B.weight": adapter.b}
    save_file(tensors, path, metadata={"format": "pt"})


def _adapter_config() -> dict[str, object]:
    """Return the fields of PEFT's LoraConfig, as its save_pretrained() names them."""
    return {
        "peft_type": "LORA",
        "task_type": "SEQ_CLS",
        "base_model_name_or_path": BASE_NAME,
        "r": lora.RANK,
        "lora_alpha": lora.ALPHA,
        "lora_dropout": 0.0,
        "target_modules": [_LAYER],
        "modules_to_save": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }


def _write_gguf(path: Path, name: str, model: Classifier) -> None:
    """Write the classifier under an architecture of its own, so that no runtime takes it for a language model."""
    writer = GGUFWriter(path, ARCHITECTURE)
    writer.add_name(name)
    writer.add_description(
        "Text classifier: head · tanh(encoder · x) + bias, where x holds the hashed words, word pairs "
        "and letter groups of the text, scaled to unit length"
    )
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    writer.add_classifier_output_labels(LABELS)
    writer.add_uint32(f"{ARCHITECTURE}.feature_length", features.WIDTH)
    writer.add_uint32(f"{ARCHITECTURE}.hidden_length", HIDDEN)
    writer.add_string(f"{ARCHITECTURE}.feature_hash", "crc32")
    writer.add_array(f"{ARCHITECTURE}.letter_groups", features.LETTER_GROUPS)
    for tensor, values in (
        ("encoder.weight", model.encoder),
        ("head.weight", model.head),
        ("head.bias", model.bias),
    ):
        writer.add_tensor(tensor, values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
