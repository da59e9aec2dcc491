"""A SHA-256 that can be put down and taken up again by another process, which hashlib's cannot."""

from __future__ import annotations

import _hashlib
import ctypes
import hashlib
from typing import Any

_BLOCK_BYTES = 64


class _Context(ctypes.Structure):
    """OpenSSL's SHA256_CTX, from <openssl/sha.h>."""

    _fields_ = (
        ("h", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("data", ctypes.c_uint32 * 16),
        ("num", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
    )


def _openssl() -> Any:
    """Return the OpenSSL that hashlib itself uses, or None where Python has it built in."""
    try:
        library = ctypes.CDLL(_hashlib.__file__)
        library.SHA256_Update.argtypes = (ctypes.POINTER(_Context), ctypes.c_char_p, ctypes.c_size_t)
        library.SHA256_Final.argtypes = (ctypes.c_char_p, ctypes.POINTER(_Context))
        library.SHA256_Init.argtypes = (ctypes.POINTER(_Context),)
    except (AttributeError, OSError):
        return None
    return library


_OPENSSL = _openssl()


class ResumableSha256:
    """The SHA-256 of what it is given; one that began with ``state`` goes on behind the first ``length`` bytes."""

    def __init__(self, state: str | None = None, length: int = 0) -> None:
        self._context = _Context()
        _OPENSSL.SHA256_Init(self._context)
        if state is not None:
            words = bytes.fromhex(state)
            for index in range(8):
                self._context.h[index] = int.from_bytes(words[4 * index : 4 * index + 4], "big")
            self._context.bits_low = length * 8 & 0xFFFFFFFF
            self._context.bits_high = length * 8 >> 32

    def update(self, data: bytes) -> None:
        _OPENSSL.SHA256_Update(self._context, data, len(data))

    def state(self) -> str:
        """Return the state as 64 hexadecimal digits; only after a multiple of 64 bytes is that all of it."""
        if self._context.num:
            raise ValueError(f"The bytes so far are no multiple of {_BLOCK_BYTES}.")
        return b"".join(word.to_bytes(4, "big") for word in self._context.h).hex()

    def hexdigest(self) -> str:
        context = _Context.from_buffer_copy(self._context)
        digest = ctypes.create_string_buffer(32)
        _OPENSSL.SHA256_Final(digest, context)
        return digest.raw.hex()


class PlainSha256:
    """The same where OpenSSL is out of reach: it has no state, so whoever is interrupted begins again."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.update = self._hash.update
        self.hexdigest = self._hash.hexdigest

    def state(self) -> None:
        return None


Sha256 = ResumableSha256 | PlainSha256


def resume_sha256(state: str | None, length: int) -> tuple[Sha256, int]:
    """Return a hash that goes on where another one was, and at which byte: at 0 where it cannot."""
    if _OPENSSL is None:
        return PlainSha256(), 0
    if state is None:
        return ResumableSha256(), 0
    return ResumableSha256(state, length), length
