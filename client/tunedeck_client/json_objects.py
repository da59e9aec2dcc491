"""JSON objects from where there may be anything: answers, lines, files that a kill has left."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """Return a JSON object, or None where the text is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read_object(path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None where there is none."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return parse_object(file.read())
    return None


def write_object(path: str, record: dict[str, Any]) -> None:
    """Write a JSON object to a file, whole or, where the disk fails, not at all."""
    with contextlib.suppress(OSError):
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(f"{path}.new", path)
