"""The log file of a part: what its processes print, in three files of a bounded size.

They print into a pipe that a thread here empties. Where the disk takes nothing, lines are lost; no part stands still.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import sys
import threading
from pathlib import Path

MAX_BYTES = 10 * 2**20
KEPT = 2
"""Files beside the newest, ``.1`` and ``.2``."""

_CHUNK = 2**16
_PIPE_BYTES = 2**20
_F_SETPIPE_SZ = 1031


class LogFile:
    """A file that becomes ``.1`` when it is full, between two lines."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._began_at = 0
        self._reader: threading.Thread | None = None

    def open_pipe(self) -> int:
        """Return where a process prints to; the caller closes it once the process has it."""
        source, target = os.pipe()
        self._began_at = self._file.tell()
        if sys.platform == "linux":
            # Lines of up to 4 KiB never mix (POSIX), longer ones not while there is room. Pipes may be used up.
            with contextlib.suppress(OSError):
                fcntl.fcntl(target, _F_SETPIPE_SZ, _PIPE_BYTES)
        self._reader = threading.Thread(target=self._read, args=(source,), name=f"log {self.path.name}", daemon=True)
        self._reader.start()
        return target

    def wait(self, timeout_s: float) -> None:
        """Wait until all is in the file that processes printed which have ended; not for one that got away."""
        if self._reader is not None:
            self._reader.join(timeout_s)

    def read_last_process(self) -> str:
        """Return what the last process printed, the last 64 KiB of it at most; nothing where the file was deleted."""
        with contextlib.suppress(OSError), self.path.open("rb") as printed:
            size = printed.seek(0, os.SEEK_END)
            began_at = self._began_at if self._began_at <= size else 0  # 0: the file is a new one meanwhile
            printed.seek(max(began_at, size - _CHUNK))
            return printed.read().decode(errors="replace")
        return ""

    def close(self) -> None:
        self._file.close()

    def _read(self, source: int) -> None:
        with open(source, "rb", buffering=0) as pipe:
            while chunk := pipe.read(_CHUNK):
                with self._lock:  # what a process left running prints beside the next one
                    self._put(chunk)

    def _put(self, text: bytes) -> None:
        size = 0 if self._file.closed else self._file.tell()
        if size >= self._max_bytes:
            end = text.find(b"\n") + 1
            if end or size >= 2 * self._max_bytes:  # a line that never ends is no line
                self._write(text[:end])
                self._rotate()
                text = text[end:]
        self._write(text)

    def _write(self, text: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # full, or closed
            while text:
                text = text[self._file.write(text) or 0 :]

    def _rotate(self) -> None:
        names = [self.path, *(self.path.with_name(f"{self.path.name}.{number}") for number in range(1, KEPT + 1))]
        for newer, older in reversed(list(itertools.pairwise(names))):
            with contextlib.suppress(OSError):
                newer.replace(older)
        with contextlib.suppress(OSError):
            full, self._file = self._file, self.path.open("ab", buffering=0)
            full.close()
