"""A model's archive: what goes into it, and its bytes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from isal import isal_zlib

from services.models import files, records
from services.models.archive import Archive, Entry
from services.models.delivery import send_pieces
from services.models.frozen import Manifest, read_manifest
from services.models.generated import SUMS, checksum_lines
from services.models.manifest import is_included
from services.models.paths import archive_names, fold
from services.models.reading import Content, MadeFile, ObjectDamaged, StoredFile, read_content, require_present
from services.models.streamed import stream_zip
from services.models.tables import Model
from shared.errors import Conflict, NotFound, Unavailable
from shared.store import Store

_KEPT_FILES = 50_000
"""All kept plans together; the last one is kept whatever its size. A file takes half a kilobyte."""


@dataclass(frozen=True)
class Download:
    """A model's archive, or a part of it, before any of it is read."""

    model: Model
    names: list[str]
    contents: list[Content]
    doubtful: list[Content]
    """What the checksum process found missing or changed; perhaps it is back."""

    @property
    def filename(self) -> str:
        return _filename(self.model)

    @cached_property
    def archive(self) -> Archive | None:
        """The archive's bytes, planned; None until every checksum is known."""
        entries = []
        for name, content in zip(self.names, self.contents, strict=True):
            size, crc32 = _measures(content)
            if crc32 is None:
                return None
            entries.append(Entry(name.encode(), size, crc32))
        return Archive(entries, self.model.created_at)

    def chunks(self, store: Store, start: int = 0, stop: int | None = None) -> Generator[bytes]:
        """Yield the bytes ``start`` to ``stop`` of the planned archive, or all of one that cannot be planned.

        Raises Conflict (a file is missing, or another by now) and Unavailable, for the first file before anything is
        yielded. What is raised later must break the connection.
        """
        try:
            require_present(store, self.doubtful)
            archive = self.archive
            yield from self._streamed(store) if archive is None else self._planned(store, archive, start, stop)
        except ObjectDamaged as error:
            files.record_damage(self.model, error.content.key, error.content.etag, error.message)
            raise

    def _planned(self, store: Store, archive: Archive, start: int, stop: int | None) -> Generator[bytes]:
        pieces = archive.pieces(start, archive.length if stop is None else stop)
        return send_pieces(store, self.contents, pieces)

    def _streamed(self, store: Store) -> Generator[bytes]:
        sizes = (_measures(content)[0] for content in self.contents)
        entries = zip(self.names, sizes, strict=True)
        return stream_zip(entries, self.model.created_at, lambda index: self._read(store, index))

    def _read(self, store: Store, index: int) -> Generator[bytes]:
        content = self.contents[index]
        return read_content(store, content, 0, _measures(content)[0], patient=index > 0)


class Downloads:
    """Plans archives, and keeps the plans that were used last: a resumed download asks for the same one again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int, str | None], Download] = OrderedDict()

    def plan(self, model_id: int, include: str | None, filename: str | None = None) -> Download:
        """Return the archive of a ready model, or of what ``include`` (a path below its storage path) names.

        Raises NotFound (no such model, no files, nothing included, or it has another name than ``filename``), Conflict
        (not ready, or a damaged file) and, for an archive that is asked for by its ``filename``, Unavailable until its
        length is known.
        """
        model = records.find_model(model_id)
        # A manifest whose checksums are known never changes; the next one has another revision.
        download = self._kept.get((model_id, model.revision, include))
        if download is None:
            manifest = read_manifest(model_id)
            model = manifest.model
            _require_ready(model, filename)
            download = _plan(manifest, include)
        else:
            _require_ready(model, filename)
        if download.archive is not None:
            self._keep((model_id, model.revision, include), download)
        elif filename is not None:
            raise Unavailable(f"Not every checksum of model {model_id} is known yet.", retry_after=5)
        return download

    def _keep(self, key: tuple[int, int, str | None], download: Download) -> None:
        self._kept[key] = download
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(len(kept.contents) for kept in self._kept.values()) > _KEPT_FILES:
            self._kept.popitem(last=False)


def _require_ready(model: Model, filename: str | None) -> None:
    if filename not in (None, _filename(model)):
        raise NotFound(f"The archive of model {model.id} has another name.")
    if model.status != "ready":
        raise Conflict(f"Model {model.id} is {model.status}, not ready.")


def _filename(model: Model) -> str:
    return f"model-{model.id}-{model.created_at:%Y%m%d}.zip"


def _plan(manifest: Manifest, include: str | None) -> Download:
    model = manifest.model
    if not manifest.rows:
        raise NotFound(f"Model {model.id} has no files.")
    download = Download(model, [], [], [])
    _fill(download, manifest, include)
    if not download.contents:
        raise NotFound(f"Model {model.id} has no file {include}.")
    return download


def _fill(download: Download, manifest: Manifest, include: str | None) -> None:
    model = manifest.model
    # The last of the names takes nothing from the others, so they are the same with it and without.
    names = archive_names(chain((row.path for row in manifest.rows), manifest.documents, (SUMS,)))
    documents = _documents(manifest, names)
    for row in manifest.rows:
        if is_included(row.path, include):
            content = StoredFile(f"{model.storage_path}/{row.path}", row.size, row.etag, row.crc32)
            download.names.append(f"{model.id}/{names[row.path]}")
            download.contents.append(content)
            if row.error is not None and row.crc32 is not None:
                raise Conflict(row.error)
            if row.error is not None:
                download.doubtful.append(content)
    for path, text in documents.items():
        if is_included(path, include):
            download.names.append(f"{model.id}/{names[path]}")
            download.contents.append(MadeFile(text.encode()))


def _documents(manifest: Manifest, names: dict[str, str]) -> dict[str, str]:
    """What was made at freezing, and the list of checksums once all are known, unless the store has its own."""
    rows, documents = manifest.rows, manifest.documents
    sums_name = fold(SUMS)
    known = [(row.path, row.sha256) for row in rows if row.sha256 is not None]
    if len(known) < len(rows) or any(fold(row.path) == sums_name for row in rows):
        return documents
    sums = [(names[path], sha256) for path, sha256 in known]
    sums += [(names[path], hashlib.sha256(text.encode()).hexdigest()) for path, text in documents.items()]
    return {**documents, SUMS: checksum_lines(sums)}


def _measures(content: Content) -> tuple[int, int | None]:
    """Size and CRC-32."""
    if isinstance(content, MadeFile):
        return len(content.data), isal_zlib.crc32(content.data)
    return content.size, content.crc32
