"""A batch: encoded lines or metric points under one idempotency key, in a file named for it or in memory."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import NamedTuple

from tunedeck_client.json_objects import parse_object
from tunedeck_client.lines.text import Loss


class Kind(NamedTuple):
    """What a batch holds: a record is called `noun`; `resource` is the part of the job that takes it."""

    noun: str
    resource: str
    suffix: str


LINES = Kind("line", "logs", ".ndjson")
POINTS = Kind("metric point", "metrics", ".metrics.ndjson")


class Batch:
    """Grows while `open`; immutable once it was handed out, so that a retry sends the same bytes."""

    def __init__(self, key: str, path: str | None, loss: Loss | None = None, *, kind: Kind = LINES) -> None:
        self.key = key
        self.kind = kind
        self.path = path
        self.loss = loss
        self.size = 0
        self.lines = 0
        self.open = True
        self.found = False
        self.damaged = 0
        self.is_urgent = False
        """Whether a line of level error is in it, which does not linger."""
        self._memory: list[bytes] = []

    @classmethod
    def from_file(cls, path: str) -> Batch:
        """Return the batch in a file that a dead process left."""
        kind = POINTS if path.endswith(POINTS.suffix) else LINES
        batch = cls(os.path.basename(path)[: -len(kind.suffix)], path, kind=kind)
        batch.open = False
        batch.found = True
        with contextlib.suppress(OSError):
            batch.size = os.path.getsize(path)
        return batch

    def append(self, lines: list[bytes]) -> None:
        """Add all lines, or raise OSError and add none."""
        data = b"".join(lines)
        if self.path is None:
            self._memory += lines
        else:
            with open(self.path, "ab", buffering=0) as file:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, "short write", self.path)
        self.size += len(data)
        self.lines += len(lines)

    def read(self) -> list[bytes]:
        """Return the encoded lines; of an adopted file only the whole ones, `damaged` counts the others."""
        if self.path is None:
            return self._memory
        with open(self.path, "rb") as file:
            lines = [line + b"\n" for line in file.read(self.size).split(b"\n") if line]
        if not self.found:
            return lines
        # A kill or a bad disk may have left less than a line.
        whole = [line for line in lines if parse_object(line) is not None]
        self.damaged = len(lines) - len(whole)
        return whole

    def delete(self) -> None:
        """Remove the file, which may be gone already."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
