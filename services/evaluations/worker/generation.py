"""The parameters of a generation: the defaults, what an evaluation says for both models, and for each; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.evaluations.scoring.metrics import ROLES

DEFAULTS: dict[str, Any] = {"temperature": 0, "seed": 0, "max_tokens": 1024}


def parameters(generation: Mapping[str, Any] | None, roles: tuple[str, ...] = ROLES) -> dict[str, dict[str, Any]]:
    """Return by role what is sent beside model and messages; a parameter that is null is left to the server."""
    generation = generation or {}
    common = {name: value for name, value in generation.items() if name not in ROLES}
    return {role: _sent({**DEFAULTS, **common, **(generation.get(role) or {})}) for role in roles}


def _sent(wanted: dict[str, Any]) -> dict[str, Any]:
    extra = wanted.pop("extra_body", None) or {}
    return {name: value for name, value in {**wanted, **extra}.items() if value is not None}
