"""The kernel's side of a job's log: a logging handler, and a command to pipe a program's output through."""

from tunedeck_client.handler import JobLogHandler

__all__ = ["JobLogHandler"]
