"""The checksums of a body that its sender announces in headers; pure.

Content-MD5 (RFC 1864), Content-Digest and Repr-Digest (RFC 9530), Digest (RFC 3230), S3's x-amz-checksum-* and
x-amz-content-sha256, and x-checksum-sha256. What names another algorithm is passed over.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.errors import Unprocessable

_BYTES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64, "crc32": 4}
_DIGESTS = {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
_IN_BASE64 = {"Content-MD5": "md5"} | {f"x-amz-checksum-{name}": name for name in ("crc32", "sha1", "sha256")}
_MEMBER = re.compile(r"\s*([A-Za-z0-9-]+)=(.*)\Z", re.DOTALL)


class Announced(NamedTuple):
    """A checksum that the body must have: its header, its algorithm (one of hashlib's, or crc32) and its bytes."""

    header: str
    algorithm: str
    digest: bytes


def read_announced(header: Callable[[str], str | None]) -> list[Announced]:
    """Return the announced checksums of a request's body; Unprocessable where one cannot be read."""
    return list(_read(header))


def _read(header: Callable[[str], str | None]) -> Iterator[Announced]:
    if (sent := header("x-checksum-sha256")) is not None:
        yield _hexadecimal("x-checksum-sha256", sent)
    # S3's own may also say that the payload is not signed, or how it is signed in chunks.
    if (sent := header("x-amz-content-sha256")) is not None and re.fullmatch("[0-9A-Fa-f]{64}", sent):
        yield _hexadecimal("x-amz-content-sha256", sent)
    for name, algorithm in _IN_BASE64.items():
        if (sent := header(name)) is not None:
            yield _base64(name, algorithm, sent)
    for name in ("Content-Digest", "Repr-Digest", "Digest"):
        for member in (header(name) or "").split(","):
            match = _MEMBER.match(member)
            if match is not None and (known := _DIGESTS.get(match[1].lower())) is not None:
                value = match[2].strip()
                yield _base64(name, known, value.strip(":") if name != "Digest" else value)


def _base64(name: str, algorithm: str, sent: str) -> Announced:
    try:
        digest = base64.b64decode(sent, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _BYTES[algorithm]:
        raise Unprocessable.field(name, f"Must be {_BYTES[algorithm]} bytes in base64.")
    return Announced(name, algorithm, digest)


def _hexadecimal(name: str, sent: str) -> Announced:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sent):
        raise Unprocessable.field(name, "Must be 64 hexadecimal digits.")
    return Announced(name, "sha256", bytes.fromhex(sent))
