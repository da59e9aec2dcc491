"""Where a new file of a repository belongs, below its model's storage path; pure."""

from __future__ import annotations

from collections.abc import Sequence

from services.models.lifecycle.model_card import CARD


def place_of(name: str, folders: Sequence[str]) -> str:
    """Return the path of a new file, given the folders of adapters and GGUF files; the card is the archive's, too."""
    if name == CARD:
        return name
    lora, gguf = folders
    folder = gguf if name.lower().endswith(".gguf") else lora
    return f"{folder}/{name}" if folder else name
