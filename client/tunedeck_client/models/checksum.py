"""The SHA-256 of a file's content, read in pieces."""

from __future__ import annotations

import functools
from hashlib import sha256
from typing import IO, Iterator

READ_BYTES = 1024 * 1024


def sha256_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of what is left of an open file, in hexadecimal digits. Raises OSError."""
    found = sha256()
    for piece in pieces_of(file):
        found.update(piece)
    return found.hexdigest()


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """Return what is left of an open file, to be read piece by piece."""
    return iter(functools.partial(file.read, READ_BYTES), b"")
