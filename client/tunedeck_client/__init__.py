"""The kernel's side of a job's log: a logging handler, and a command to pipe a program's output through."""

from tunedeck_client.handler import JobLogHandler
from tunedeck_client.version import __version__

__all__ = ["JobLogHandler", "__version__"]
