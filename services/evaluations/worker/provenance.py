"""The provenance of results: prompt, settings and versions, recorded before the first request."""

from __future__ import annotations

from typing import Any

from services.evaluations.settings import WorkerSettings
from services.evaluations.worker.inference_client import TRIES
from services.evaluations.worker.prompts import Prompt

WORKER_VERSION = "3"
"""Goes up whenever the same answers would be asked for, or judged, in another way."""


def describe(
    settings: WorkerSettings, url: str, prompt: Prompt, parameters: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return prompt, inference settings and worker version of a run; ``parameters`` are by role, ``url`` is the
    server's without its secrets."""
    each = list(parameters.values())
    return {
        "prompt": prompt.describe(),
        "inference": {
            **(each[0] if each == each[:1] * len(each) else parameters),
            "url": url,
            "order": settings.inference_order,
            "in_flight": settings.inference_concurrency,
            "timeout_s": settings.inference_timeout_s,
            "tries": TRIES,
            "warm_up": True,
        },
        "worker_version": WORKER_VERSION,
    }
