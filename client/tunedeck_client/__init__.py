"""Sends a training's log lines to its job, uploads its model, and is the service as a Python object."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tunedeck_client.version import __version__

if TYPE_CHECKING:
    from tunedeck_client.api import Tunedeck
    from tunedeck_client.handler import JobLogHandler
    from tunedeck_client.job import Job
    from tunedeck_client.models.upload import upload_model

__all__ = ["Job", "JobLogHandler", "Tunedeck", "__version__", "upload_model"]

_LAZY = {
    "Job": "tunedeck_client.job",
    "JobLogHandler": "tunedeck_client.handler",
    "Tunedeck": "tunedeck_client.api",
    "upload_model": "tunedeck_client.models.upload",
}


def __getattr__(name: str) -> Any:
    # A training that only logs does not import the API, nor a command the handler: a third of its start.
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
