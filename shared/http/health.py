"""``/healthz``, without dependencies but with the version, and ``/readyz``, which checks each by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask
from flask.typing import ResponseReturnValue

from shared.redaction import redact
from shared.version import VERSION

Check = Callable[[], object]
"""Raises when what it asks for is not there."""


def add_health(app: Flask, checks: Mapping[str, Check]) -> None:
    """Add both endpoints; ``checks`` names each dependency with a call that raises where it is not ready."""

    def get_health() -> ResponseReturnValue:
        return {"status": "ok", "version": VERSION}

    def get_readiness() -> ResponseReturnValue:
        states = {name: _state(check) for name, check in checks.items()}
        return states, 200 if all(state == "ok" for state in states.values()) else 503

    app.add_url_rule("/healthz", view_func=get_health)
    app.add_url_rule("/readyz", view_func=get_readiness)


def _state(check: Check) -> str:
    try:
        check()
    except Exception as error:  # whatever it is, the answer must name it
        return f"{type(error).__name__}: {redact(str(error))}"
    return "ok"
