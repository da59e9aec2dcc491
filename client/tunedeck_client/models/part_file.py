"""A file on its way here: it grows as `.part`, survives a kill, and gets its name once it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from hashlib import sha256
from types import TracebackType
from typing import IO, Callable, TypeVar

from tunedeck_client.errors import BadFolder
from tunedeck_client.file_locks import try_lock
from tunedeck_client.models.checksum import pieces_of

SUFFIX = ".part"

T = TypeVar("T")


class PartFile:
    """The `.part` of `target`, open and locked, with size and SHA-256 of what it has; raises BadFolder."""

    def __init__(self, target: str, suffix: str = SUFFIX) -> None:
        self.target = target
        self._path = target + suffix
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = self._do(lambda: os.fdopen(os.open(self._path, flags, 0o666), "r+b", buffering=0))
        try:
            if try_lock(self._file.fileno()) is False:
                raise BadFolder(f"{self._path} is being written by another process")
            self.size = 0
            self._sha256 = sha256()
            self._do(self._read_what_is_there)
        except BaseException:
            self._file.close()
            raise

    def _read_what_is_there(self) -> None:
        for piece in pieces_of(self._file):
            self._sha256.update(piece)
            self.size += len(piece)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, data: memoryview) -> None:
        """Add bytes."""
        self._sha256.update(data)
        self.size += len(data)
        self._do(lambda: self._write(data))

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[self._file.write(data) or 0 :]

    def restart(self) -> None:
        """Drop what is there."""
        self._do(lambda: self._file.truncate(0))
        self._do(lambda: self._file.seek(0))
        self.size = 0
        self._sha256 = sha256()

    @property
    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    def opened(self) -> IO[bytes]:
        """Return the open file, to be read from its start."""
        self._do(lambda: self._file.seek(0))
        return self._file

    def finish(self) -> None:
        """Give the file its name."""
        if sys.platform == "win32":
            self._file.close()  # Windows renames no open file
        self._do(lambda: os.replace(self._path, self.target))

    def remove(self) -> None:
        """Remove what is there: it is of no use."""
        if sys.platform == "win32":
            self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _do(self, act: Callable[[], T]) -> T:
        """What this machine fails at is no reason to ask the service again."""
        try:
            return act()
        except OSError as error:
            why = "is a link" if error.errno == errno.ELOOP else error.strerror
            raise BadFolder(f"{self._path}: {why}") from error
