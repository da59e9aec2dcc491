"""Few-shot examples of a prompt: those that it brings, or rows drawn from another test set."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from services.evaluations.datasets.row_shapes import Row
from services.evaluations.datasets.spooled_set import spooled
from shared.s3.bucket import Bucket


def find_shots(bucket: Bucket, prompt: Mapping[str, Any] | None) -> list[Row]:
    """Return the examples of a prompt in their order; raises what ``spooled`` does.

    Those from a test set are a uniform sample of its rows, the same for the same seed (Vitter 1985, algorithm R).
    """
    prompt = prompt or {}
    shots = [Row(each["input"], each["expected"], each) for each in prompt.get("examples") or ()]
    source = prompt.get("examples_from")
    if source is None:
        return shots
    drawn: list[Row] = []
    draw = random.Random(source["seed"])
    with spooled(bucket, source["test_set_path"]) as test_set:
        for number, row in enumerate(test_set.rows()):
            if number < source["count"]:
                drawn.append(row)
            elif (place := draw.randint(0, number)) < source["count"]:
                drawn[place] = row
    return shots + drawn
