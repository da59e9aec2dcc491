"""The Idempotency-Key header: a repeat of a POST finds what the first one created, and creates nothing."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from flask import request, url_for

from shared.errors import Unprocessable
from shared.request_key import RequestKey

DOCUMENTED: dict[str, Any] = {
    "parameters": [
        {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
    ]
}
"""For the OpenAPI document."""

REPLAYED = {"Idempotent-Replayed": "true"}


def idempotency_key() -> str | None:
    """Return the request's checked key, or None where it has none."""
    sent = request.headers.get("Idempotency-Key")
    if sent is not None and not re.fullmatch(r"[!-~]{1,255}", sent):
        raise Unprocessable.field("Idempotency-Key", "Must be 1 to 255 visible ASCII characters.")
    return sent


def request_key(body: dict[str, Any]) -> RequestKey | None:
    """Return the request's key with the digest of its path and its parsed body, or None where it has no key."""
    key = idempotency_key()
    if key is None:
        return None
    said = f"{request.path} {json.dumps(body, sort_keys=True, default=str)}"
    return RequestKey(key, hashlib.sha256(said.encode()).hexdigest())


def created(endpoint: str, *, replayed: bool, **values: Any) -> dict[str, str]:
    """Return the headers of an answer to a POST that created a record, or found it created."""
    return {"Location": url_for(endpoint, **values)} | (REPLAYED if replayed else {})
