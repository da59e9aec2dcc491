"""A whole archive in columns: they load without a look at any entry, and give one when its bytes are due; pure."""

from __future__ import annotations

import hashlib
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Protocol, TypeVar

from isal import isal_zlib

from services.models.archive import FORMAT, Archive, Entry, Layout
from services.models.frozen import FrozenFile
from services.models.generated import SUMS, checksum_lines
from services.models.paths import archive_names, fold
from services.models.reading import Content, MadeFile, StoredFile

Item = TypeVar("Item")

PACKING = f"{FORMAT.decode()}, columns 1, {sys.byteorder}-endian"
"""What is packed in another way, or for archives of other bytes, is of no use."""

_LENGTHS = struct.Struct("<13Q")
"""Of the columns, before them."""

_SHA256_DIGITS = 64


class Frozen(Protocol):
    """What of a model's record is in its archive."""

    id: int
    storage_path: str
    created_at: datetime


class Packed(NamedTuple):
    """An archive: what its headers say, ``length`` in bytes, and its columns."""

    etag: str
    length: int
    columns: bytes


@dataclass(frozen=True, eq=False)
class Parts:
    """An archive, planned, and what its entries hold."""

    archive: Archive
    contents: Sequence[Content]


@dataclass(frozen=True, eq=False)
class Plan(Parts):
    """A whole archive. Each name and path, entry and content is made when it is asked for."""

    names: Sequence[str]
    """Without the folder that all of the archive is in."""
    paths: Sequence[str]
    """Below the model's storage path."""


def pack(model: Frozen, rows: Sequence[FrozenFile], documents: Mapping[str, str]) -> Packed | None:
    """Return the archive of ``rows`` and of the texts ``documents`` by path; None until every checksum is known."""
    known = [(row.crc32, row.sha256) for row in rows if row.crc32 is not None and row.sha256 is not None]
    if len(known) < len(rows):
        return None
    paths = [*(row.path for row in rows), *documents]
    # The last of the names takes nothing from the others, so they are the same with it and without.
    by_path = archive_names([*paths, SUMS])
    made = [text.encode() for text in documents.values()]
    sha256s = []
    if not any(fold(row.path) == fold(SUMS) for row in rows):
        sha256s = [sha256 for _, sha256 in known] + [hashlib.sha256(data).hexdigest() for data in made]
        made.append(checksum_lines(zip((by_path[path] for path in paths), sha256s, strict=True)).encode())
        paths.append(SUMS)
    names = [by_path[path] for path in paths]
    sizes = array("Q", [*(row.size for row in rows), *map(len, made)])
    crc32s = array("I", [*(crc32 for crc32, _ in known), *map(isal_zlib.crc32, made)])
    measured = zip(names, sizes, crc32s, strict=True)
    archive = Archive([Entry(entry_name(model.id, name), *measures) for name, *measures in measured], model.created_at)
    columns = (
        *_joined(names),
        *_joined(() if paths == names else paths),
        *_joined(row.etag for row in rows),
        *_joined(documents.values()),
        bytes.fromhex("".join(sha256s)),
        *(sizes.tobytes(), crc32s.tobytes()),
        *(array("Q", starts).tobytes() for starts in (archive.layout.locals, archive.layout.centrals)),
    )
    return Packed(archive.etag, archive.length, _LENGTHS.pack(*map(len, columns)) + b"".join(columns))


def unpack(model: Frozen, packed: Packed) -> Plan:
    """Return the plan that ``pack`` made for ``model``."""
    data = memoryview(packed.columns)
    places = accumulate(_LENGTHS.unpack_from(data), initial=_LENGTHS.size)
    columns = [data[start:stop] for start, stop in pairwise(places)]
    names = _texts(*columns[0:2])
    paths = _texts(*columns[2:4]) if columns[2] else names
    etags = _texts(*columns[4:6])
    documents = _texts(*columns[6:8])
    sizes, crc32s = columns[9].cast("Q"), columns[10].cast("I")
    layout = Layout(columns[11].cast("Q"), columns[12].cast("Q"), packed.etag)

    def entry(index: int) -> Entry:
        return Entry(entry_name(model.id, names[index]), sizes[index], crc32s[index])

    def content(index: int) -> Content:
        if index < len(etags):
            return StoredFile(f"{model.storage_path}/{paths[index]}", sizes[index], etags[index], crc32s[index])
        made = index - len(etags)
        return MadeFile((documents[made] if made < len(documents) else sums()).encode())

    def sums() -> str:
        digits = columns[8].hex()
        sha256s = (digits[start : start + _SHA256_DIGITS] for start in range(0, len(digits), _SHA256_DIGITS))
        # The name that is left over is that of the list itself.
        return checksum_lines(zip(names, sha256s, strict=False))

    archive = Archive(_Lazily(len(sizes), entry), model.created_at, layout)
    return Plan(archive, _Lazily(len(sizes), content), names, paths)


def entry_name(model_id: int, name: str) -> bytes:
    """Return the name of an entry: all are in a folder that is named for the model."""
    return f"{model_id}/{name}".encode()


class _Lazily(Sequence[Item]):
    """So many items, each made when it is asked for."""

    def __init__(self, count: int, make: Callable[[int], Item]) -> None:
        self._indexes, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._indexes)

    def __getitem__(self, index: Any) -> Any:
        return self._make(self._indexes[index])

    def __iter__(self) -> Iterator[Item]:
        return map(self._make, self._indexes)


def _joined(texts: Iterable[str]) -> tuple[bytes, bytes]:
    """Return the texts one behind the other, and the places before, between and after them."""
    encoded = [text.encode() for text in texts]
    return b"".join(encoded), array("I", accumulate(map(len, encoded), initial=0)).tobytes()


def _texts(joined: memoryview, cuts: memoryview) -> Sequence[str]:
    places = cuts.cast("I")
    return _Lazily(len(places) - 1, lambda index: str(joined[places[index] : places[index + 1]], "utf-8"))
