"""Compares object paths as file systems do, and makes odd ones safe for every archive reader; pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from shared.s3.object_paths import DEVICE, FORBIDDEN, MAX_PATH_BYTES


def fold(path: str) -> str:
    """Return the case-folded, normalised path: equal for paths that are one file on some file systems."""
    if path.isascii():
        return path.lower()  # the same, ten times as fast
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    # Folding can triple a text, and PostgreSQL indexes no more than 2,704 bytes.
    return folded if len(folded.encode()) <= 2 * MAX_PATH_BYTES else path


def parents(path: str) -> list[str]:
    """Return the directories that ``path`` lies in, the outermost first: ``a``, ``a/b`` for ``a/b/c``."""
    segments = path.split("/")
    return ["/".join(segments[:count]) for count in range(1, len(segments))]


def is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def is_in(path: str, folder: str) -> bool:
    """Say whether the file lies below the folder; all do below ``""``, the storage path itself."""
    return not folder or is_below(path, folder)


def archive_names(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each path, in the order given, with a name that is safe to unpack and no other's; none is left out.

    Objects that other programs wrote may have any name: what is not allowed in a path is percent-encoded, and of
    two that one file system would not hold side by side the later gets ``~2``, ``~3`` and so on.
    """
    encoded: list[tuple[str, str]] = []
    heads = {"": ""}
    folders: set[str] = set()
    for path in paths:
        above, slash, last = path.rpartition("/")
        head = above + slash
        if head not in heads:  # files share their folders, and a model may have 100,000
            name = "/".join(map(_encoded_segment, above.split("/")))
            folders.update(map(fold, [*parents(name), name]))
            heads[head] = f"{name}/"
        encoded.append((path, heads[head] + _encoded_segment(last)))
    taken: set[str] = set()
    for path, name in encoded:
        number, unique, folded = 1, name, fold(name)
        while folded in taken or folded in folders:
            number += 1
            unique = f"{name}~{number}"
            folded = fold(unique)
        taken.add(folded)
        yield path, unique


def _encoded_segment(segment: str) -> str:
    if segment in ("", ".", ".."):
        return segment.replace(".", "%2E") or "%2F"
    encoded = FORBIDDEN.sub(lambda match: quote(match[0], safe=""), segment)
    if encoded[-1] in ". ":
        encoded = encoded[:-1] + f"%{ord(encoded[-1]):02X}"
    if DEVICE.fullmatch(encoded):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    return encoded
