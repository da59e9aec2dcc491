"""Sends a training's log lines to its job: a `logging` handler, and a command for a program's output."""

from tunedeck_client.handler import JobLogHandler
from tunedeck_client.job import Job
from tunedeck_client.version import __version__

__all__ = ["Job", "JobLogHandler", "__version__"]
