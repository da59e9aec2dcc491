"""Object paths beside each other, and how odd ones become names that every archive reader can unpack."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from shared.object_paths import DEVICE, FORBIDDEN, MAX_PATH_BYTES


def fold(path: str) -> str:
    """Return what two paths share that are one file on a file system which ignores case and normal form."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    # Folding can triple a text, and PostgreSQL indexes no more than 2,704 bytes.
    return folded if len(folded.encode()) <= 2 * MAX_PATH_BYTES else path


def parents(path: str) -> list[str]:
    """Return the directories that ``path`` lies in, the outermost first: ``a``, ``a/b`` for ``a/b/c``."""
    segments = path.split("/")
    return ["/".join(segments[:count]) for count in range(1, len(segments))]


def is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def archive_names(paths: Iterable[str]) -> dict[str, str]:
    """Map each path, in the order given, to a name that is safe to unpack and no other's; none is left out.

    Objects that other programs wrote may have any name: what is not allowed in a path is percent-encoded, and of
    two that one file system would not hold side by side the later gets ``~2``, ``~3`` and so on.
    """
    encoded = {path: "/".join(_encoded_segments(path)) for path in paths}
    folders = {fold(folder) for name in encoded.values() for folder in parents(name)}
    taken: set[str] = set()
    names: dict[str, str] = {}
    for path, name in encoded.items():
        number = 1
        unique = name
        while fold(unique) in taken or fold(unique) in folders:
            number += 1
            unique = f"{name}~{number}"
        taken.add(fold(unique))
        names[path] = unique
    return names


def _encoded_segments(path: str) -> Iterator[str]:
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            yield segment.replace(".", "%2E") or "%2F"
            continue
        encoded = FORBIDDEN.sub(lambda match: quote(match[0], safe=""), segment)
        if encoded[-1] in ". ":
            encoded = encoded[:-1] + f"%{ord(encoded[-1]):02X}"
        if DEVICE.fullmatch(encoded):
            encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
        yield encoded
