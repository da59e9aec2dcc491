"""The provenance of results: prompt, settings and versions, recorded before the first request."""

from __future__ import annotations

from typing import Any

from services.evaluations.scoring.graders import Grader, LabelGrader
from services.evaluations.settings import WorkerSettings
from services.evaluations.worker.inference_client import (
    MAX_TOKENS,
    SEED,
    SYSTEM_PROMPT,
    TEMPERATURE,
    TRIES,
    USER_PROMPT,
)

WORKER_VERSION = "1"
"""Goes up whenever the same answers would be asked for, or judged, in another way."""


def describe(settings: WorkerSettings, grader: Grader) -> dict[str, Any]:
    """Return prompt, inference settings and worker version of a run."""
    return {
        "prompt": {"system": SYSTEM_PROMPT if isinstance(grader, LabelGrader) else None, "user": USER_PROMPT},
        "inference": {
            "temperature": TEMPERATURE,
            "seed": SEED,
            "max_tokens": MAX_TOKENS,
            "order": settings.inference_order,
            "in_flight": settings.inference_concurrency,
            "timeout_s": settings.inference_timeout_s,
            "tries": TRIES,
            "warm_up": True,
        },
        "worker_version": WORKER_VERSION,
    }
