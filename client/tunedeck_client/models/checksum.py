"""The SHA-256 of a file's content, read in pieces."""

from __future__ import annotations

from hashlib import sha256
from typing import IO

READ_BYTES = 1024 * 1024


def sha256_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of what is left of an open file, in hexadecimal digits. Raises OSError."""
    found = sha256()
    piece = file.read(READ_BYTES)
    while piece:
        found.update(piece)
        piece = file.read(READ_BYTES)
    return found.hexdigest()
