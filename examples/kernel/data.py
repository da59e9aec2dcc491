"""The datasets, all written for this example."""

import json
from dataclasses import dataclass
from pathlib import Path

LABELS = ("positive", "negative", "neutral")

_FOLDER = Path(__file__).parent / "data"
TEST_SPLIT = _FOLDER / "test_split.json"


@dataclass(frozen=True)
class Examples:
    """Texts and, for each, the index of its label in LABELS."""

    texts: list[str]
    targets: list[int]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Dataset:
    """The training split of a `dataset_id`, and the held-out split that is never trained on."""

    name: str
    train: Examples
    held_out: Examples


def general() -> Examples:
    """Return everyday sentences (weather, family, music …), for the base model."""
    return _examples(_json_lines("general.jsonl"))


def datasets() -> dict[int, Dataset]:
    """Return the datasets of this kernel by `dataset_id`."""
    test_split = json.loads(TEST_SPLIT.read_text(encoding="utf-8"))
    train = _json_lines("sentiment_train.jsonl")
    return {1: Dataset("Sentiment Analysis", _examples(train), _examples(test_split))}


def _json_lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines()]


def _examples(rows: list[dict[str, str]]) -> Examples:
    return Examples([row["input"] for row in rows], [LABELS.index(row["expected"]) for row in rows])
