"""The base model that a push names: in the adapter's configuration, or in the card's metadata; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

UNKNOWN = "unknown"
"""Of a repository that was made before its files said."""

MAX_CHARS = 255

_METADATA = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_BASE_MODEL = re.compile(r"^base_model:[ \t]*(?:\r?\n[ \t]*-[ \t]+)?([^\r\n]+)$", re.MULTILINE)


def find_base_model(contents: Mapping[str, bytes]) -> str | None:
    """Return what the files of a push, by name, say that they were trained from; None where they do not."""
    found = _of_adapter(contents.get("adapter_config.json", b"")) or _of_card(contents.get("README.md", b""))
    name = (found or "").strip()
    return name if 0 < len(name) <= MAX_CHARS and name.isprintable() else None


def _of_adapter(content: bytes) -> str | None:
    try:
        configuration = json.loads(content)
    except (ValueError, RecursionError):
        return None
    name = configuration.get("base_model_name_or_path") if isinstance(configuration, dict) else None
    return name if isinstance(name, str) else None


def _of_card(content: bytes) -> str | None:
    metadata = _METADATA.search(content.decode(errors="replace"))
    found = None if metadata is None else _BASE_MODEL.search(metadata[1])
    return None if found is None else found[1].split(" #")[0].strip().strip("\"'[]")
