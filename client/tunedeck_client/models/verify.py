"""Verifies what is here: a file by its SHA-256, an archive by the checksums that it carries."""

from __future__ import annotations

import os
import zipfile
from typing import IO, Callable

from tunedeck_client.errors import blaming
from tunedeck_client.models.checksum import sha256_of

SUMS = "SHA256SUMS"


def is_same(target: str, size: int, sha256: str) -> bool:
    """Whether a file is there with this content; BadFolder where it cannot be read."""
    return _is_there(target, size, lambda opened: sha256_of(opened) == sha256)


def is_archive(target: str, size: int) -> bool:
    """Whether an archive is there that verifies, for its name is that of its content; BadFolder as above."""
    return _is_there(target, size, lambda opened: archive_problem(opened) is None)


def _is_there(target: str, size: int, verifies: Callable[[IO[bytes]], bool]) -> bool:
    if os.path.islink(target) or not os.path.isfile(target) or os.path.getsize(target) != size:
        return False
    with blaming(target), open(target, "rb") as opened:
        return verifies(opened)


def archive_problem(file: IO[bytes]) -> str | None:
    """Say what is wrong with an archive, None where nothing is."""
    try:
        with zipfile.ZipFile(file) as archive:
            sums = next(name for name in archive.namelist() if name.endswith(f"/{SUMS}"))
            for line in archive.read(sums).decode().splitlines():
                digest, _, name = line.partition("  ")
                with archive.open(sums[: -len(SUMS)] + name) as entry:
                    if sha256_of(entry) != digest:
                        return f"{name} has another SHA-256 than it should"
    except StopIteration:
        return f"it has no {SUMS}"
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        return f"it is damaged: {error}"
    return None
