"""Encodes metric points for the service: the values of a step, one record of NDJSON."""

from __future__ import annotations

import json
import math
from typing import Any, Mapping

from tunedeck_client.lines.text import clean, rfc3339

MAX_NAME_CHARS = 255
MAX_STEP = 2**63 - 1
_NOT_IN_JSON = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
VALUES_A_RECORD = 10  # a batch of 1,000 records stays within the service's 10,000 values


def numbers_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Return what is a number, by its name; also a scalar of NumPy or torch, and text such as `0.45`.

    The first 255 characters of a name count. What is no number is left out: no training ends by its metrics.
    """
    numbers = {}
    for name, value in values.items():
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):  # a tensor of several values, say
            continue
        if name:
            numbers[clean(str(name))[:MAX_NAME_CHARS]] = number
    return numbers


def encode_points(created: float, step: int, values: Mapping[str, float]) -> list[bytes]:
    """Encode the values of a step in records of ten; NaN and the infinities are strings, as JSON has none."""
    timestamp = rfc3339(created)
    shown = [
        (name, value if math.isfinite(value) else _NOT_IN_JSON[str(value)]) for name, value in values.items()
    ]
    parts = [dict(shown[at : at + VALUES_A_RECORD]) for at in range(0, len(shown), VALUES_A_RECORD)]
    records = [{"timestamp": timestamp, "step": step, "values": part} for part in parts]
    return [json.dumps(record, ensure_ascii=False).encode("utf-8") + b"\n" for record in records]


def body_of(records: bytes) -> bytes:
    """Return the body of a request that stores these encoded records."""
    return b'{"metrics": [%s]}' % b",".join(records.splitlines())
