"""Verifies an archive by the checksums that it carries."""

from __future__ import annotations

import zipfile
from typing import IO

from tunedeck_client.models.checksum import sha256_of

SUMS = "SHA256SUMS"


def archive_problem(file: IO[bytes]) -> str | None:
    """Say what is wrong with an archive, or return None: each entry has the SHA-256 that it should."""
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
