"""The examples that a detail shows: whole up to 64 Ki characters in all, then cut, with the address of the row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MAX_CHARACTERS = 64 * 1024
_CUT_CHARACTERS = 200
_TEXTS = ("input", "expected", "base_model_output", "fine_tuned_output")


def cut_examples(evaluation_id: int, examples: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the examples with their long texts cut once there is no room for them; those have a ``url``."""
    shown, left = [], MAX_CHARACTERS
    for number, example in enumerate(examples, start=1):
        size = sum(len(example[name] or "") for name in _TEXTS)
        if size <= left:
            left -= size
        else:
            long = {name: example[name] for name in _TEXTS if len(example[name] or "") > _CUT_CHARACTERS}
            cut = {name: f"{text[:_CUT_CHARACTERS]}…" for name, text in long.items()}
            url = f"/api/v1/evaluations/{evaluation_id}/examples?page={number}&limit=1"
            example = example | cut | {"url": url}
        shown.append(example)
    return shown
