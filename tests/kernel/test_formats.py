"""The published files, read by the packages that everybody reads them with."""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from safetensors.numpy import load_file

from examples.kernel import formats, lora
from examples.kernel.model import Classifier


@pytest.fixture
def adapter() -> lora.Adapter:
    random = np.random.default_rng(1)
    fresh = lora.new_adapter()
    return lora.Adapter(fresh.a, random.uniform(-0.1, 0.1, fresh.b.shape).astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path, base: Classifier, adapter: lora.Adapter) -> Path:
    formats.write(tmp_path, "Model from Job 1", adapter, adapter.merged_into(base))
    return tmp_path


def test_the_adapter_is_a_peft_one(folder: Path, adapter: lora.Adapter) -> None:
    tensors = load_file(folder / formats.ADAPTER)
    config = json.loads((folder / formats.ADAPTER_CONFIG).read_text())
    prefix = f"base_model.model.{config['target_modules'][0]}"
    assert sorted(tensors) == [f"{prefix}.lora_A.weight", f"{prefix}.lora_B.weight"]
    np.testing.assert_array_equal(tensors[f"{prefix}.lora_A.weight"], adapter.a)
    np.testing.assert_array_equal(tensors[f"{prefix}.lora_B.weight"], adapter.b)
    assert config["peft_type"] == "LORA"
    assert config["base_model_name_or_path"] == "example-base"
    assert (config["r"], config["lora_alpha"] / config["r"]) == (lora.RANK, lora.SCALE)


def test_the_gguf_holds_the_merged_model(folder: Path, base: Classifier, adapter: lora.Adapter) -> None:
    reader = GGUFReader(folder / formats.GGUF)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert sorted(tensors) == ["encoder.weight", "head.bias", "head.weight"]
    assert {tensor.tensor_type for tensor in tensors.values()} == {GGMLQuantizationType.F16}
    merged = base.encoder + lora.ALPHA / lora.RANK * adapter.b @ adapter.a
    np.testing.assert_allclose(tensors["encoder.weight"].data, merged, rtol=1e-3, atol=1e-4)


def test_the_gguf_says_what_it_is(folder: Path) -> None:
    fields = {name: field.contents() for name, field in GGUFReader(folder / formats.GGUF).fields.items()}
    assert fields["general.architecture"] == "hashed-ngram-classifier"
    assert fields["general.name"] == "Model from Job 1"
    assert fields["hashed-ngram-classifier.classifier.output_labels"] == ["positive", "negative", "neutral"]
    assert fields["hashed-ngram-classifier.feature_length"] == 4096


def test_a_model_survives_writing_and_reading(folder: Path, base: Classifier, adapter: lora.Adapter) -> None:
    merged, again = adapter.merged_into(base), formats.read_gguf(folder / formats.GGUF)
    np.testing.assert_array_equal(again.encoder, merged.encoder.astype(np.float16))
    np.testing.assert_array_equal(again.head, merged.head.astype(np.float16))
    assert again.label("I love this product!") == merged.label("I love this product!")
