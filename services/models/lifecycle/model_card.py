"""Generates what an archive lacks: metrics.json, the model card README.md, SHA256SUMS; pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from services.models.paths import fold, is_below, is_in

METRICS = "metrics.json"
CARD = "README.md"
SUMS = "SHA256SUMS"

_LISTED_FILES = 1000


class Record(Protocol):
    """What a card says of a model."""

    id: int
    name: str
    description: str
    base_model: str
    type: str
    job_id: int | None
    served_name: str

    @property
    def repo_id(self) -> str: ...

    training_metrics: Mapping[str, Any]


def make_documents(model: Record, lora_folder: str, gguf_folder: str, sizes: Mapping[str, int]) -> dict[str, str]:
    """Return path and text of what the store lacks; ``sizes`` maps each stored path to its bytes."""
    there = {fold(path) for path in sizes}
    made = {
        METRICS: json.dumps(model.training_metrics, ensure_ascii=False, indent=2) + "\n",
        CARD: _card(model, lora_folder, gguf_folder, sizes),
    }
    return {path: text for path, text in made.items() if fold(path) not in there}


def checksum_lines(sums: Iterable[tuple[str, str]]) -> str:
    """Return the text that ``sha256sum -c SHA256SUMS`` reads, from (name, sha256)."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sums)


def _card(model: Record, lora_folder: str, gguf_folder: str, sizes: Mapping[str, int]) -> str:
    parts = [f"# {_one_line(model.name)}", model.description.strip(), _facts(model)]
    if any(is_in(path, lora_folder) for path in sizes):
        tokenizer = f"{lora_folder}/tokenizer_config.json".removeprefix("/")
        parts.append(_peft(model, lora_folder, has_tokenizer=tokenizer in sizes))
    ggufs = [path for path in sizes if is_below(path, gguf_folder) and path.lower().endswith(".gguf")]
    if ggufs:
        parts.append(_gguf(model, ggufs[0]))
    if sizes:
        parts.append(_by_name(model))
    parts.append(_file_list(sizes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(model: Record) -> str:
    facts = [("Base model", model.base_model), ("Type", model.type), ("Model ID", str(model.id))]
    facts.append(("Repository", model.repo_id))
    if model.job_id is not None:
        facts.append(("Training job", str(model.job_id)))
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {_cell(value)} |" for name, value in facts)]
    if model.training_metrics:
        lines += ["", "## Training metrics", "", "| metric | value |", "| --- | --- |"]
        lines += [
            f"| {_cell(name)} | {_cell(value if isinstance(value, str) else json.dumps(value))} |"
            for name, value in model.training_metrics.items()
        ]
    return "\n".join(lines)


def _peft(model: Record, folder: str, *, has_tokenizer: bool) -> str:
    place = folder or "."
    tokenizer = json.dumps(place, ensure_ascii=False) if has_tokenizer else "BASE"
    return f"""## The adapter, with PEFT

`{place}/` is a LoRA adapter for {_one_line(model.base_model)}; `BASE` is that model's name or folder on your side.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

BASE = {json.dumps(model.base_model, ensure_ascii=False)}
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), {json.dumps(place)})
tokenizer = AutoTokenizer.from_pretrained({tokenizer})
```"""


def _gguf(model: Record, path: str) -> str:
    return f"""## The GGUF file

With llama.cpp:

```sh
llama-cli -m {shlex.quote(path)} -p 'Hello'
```

With Ollama:

```sh
echo {shlex.quote(f"FROM ./{path}")} > Modelfile
ollama create my-model -f Modelfile
ollama run my-model
```

The platform knows the model as `{_one_line(model.served_name)}` on its inference server."""


def _by_name(model: Record) -> str:
    return f"""## By its name

Whatever loads models from the Hugging Face Hub loads this one, too:

```sh
export HF_ENDPOINT=...   # the platform's address
hf download {model.repo_id}
```"""


def _file_list(sizes: Mapping[str, int]) -> str:
    listed = list(sizes.items())[:_LISTED_FILES]
    lines = ["## Files", "", "| file | bytes |", "| --- | ---: |"]
    lines += [f"| {_cell(path)} | {size} |" for path, size in listed]
    if len(sizes) > len(listed):
        lines += ["", f"and {len(sizes) - len(listed)} more."]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")
