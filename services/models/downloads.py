"""A model's archive: what goes into it, and its bytes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from isal import isal_zlib

from services.models import files, plans, records
from services.models.archive import Archive, Entry, Read
from services.models.delivery import send_pieces
from services.models.frozen import Manifest, read_manifest
from services.models.manifest import is_included
from services.models.packed import Parts, Plan, entry_name, pack, unpack
from services.models.paths import archive_names
from services.models.prefetching import read_pieces
from services.models.reading import Content, MadeFile, ObjectDamaged, StoredFile, require_present
from services.models.streamed import stream_zip
from services.models.tables import Model
from shared.errors import Conflict, NotFound, Unavailable
from shared.store import Store


@dataclass(frozen=True)
class Unplanned:
    """What an archive is put together from while not every checksum is known."""

    entries: Sequence[tuple[str, int]]
    """Names and sizes."""
    contents: Sequence[Content]
    doubtful: Sequence[Content]
    """What the checksum process found missing or changed; perhaps it is back."""


@dataclass(frozen=True)
class Download:
    """A model's archive, or a part of it, before any of it is read."""

    model: Model
    etag: str | None
    """None until every checksum is known, as is ``length``, in bytes."""
    length: int | None
    parts: Callable[[], Parts | Unplanned]

    @property
    def filename(self) -> str:
        return _filename(self.model)

    def chunks(self, store: Store, start: int = 0, stop: int | None = None) -> Generator[bytes]:
        """Yield the bytes ``start`` to ``stop`` of the planned archive, or all of one that cannot be planned.

        Raises Conflict (a file is missing, or another by now) and Unavailable, for the first file before anything is
        yielded. What is raised later must break the connection.
        """
        try:
            parts = self.parts()
            if isinstance(parts, Parts):
                pieces = parts.archive.pieces(start, parts.archive.length if stop is None else stop)
                yield from send_pieces(store, parts.contents, pieces)
            else:
                require_present(store, parts.doubtful)
                yield from self._streamed(store, parts)
        except ObjectDamaged as error:
            files.record_damage(self.model, error.content.key, error.content.etag, error.message)
            raise

    def _streamed(self, store: Store, parts: Unplanned) -> Generator[bytes]:
        reads = [Read(index, 0, size) for index, (_, size) in enumerate(parts.entries)]
        with closing(read_pieces(store, parts.contents, reads)) as turns:
            contents = (turn for turn in turns if not isinstance(turn, bytes))
            yield from stream_zip(parts.entries, self.model.created_at, contents)


def plan_download(model_id: int, include: str | None, filename: str | None = None) -> Download:
    """Return the archive of a ready model, or of what ``include`` (a path below its storage path) names.

    Raises NotFound (no such model, no files, nothing included, or it has another name than ``filename``), Conflict
    (not ready, or a damaged file) and, for an archive that is asked for by its ``filename``, Unavailable until its
    length is known.
    """
    model = records.find_model(model_id)
    _require_ready(model, filename)
    head = plans.find_head(model)
    if head is None:
        download = _plan_anew(model_id, include, filename)
    elif include is None:
        download = Download(model, *head, lambda: plans.load_plan(model))
    else:
        download = _part(model, include, plans.load_plan(model))
    if filename is not None and download.length is None:
        raise Unavailable(f"Not every checksum of model {model_id} is known yet.", retry_after=5)
    return download


def _require_ready(model: Model, filename: str | None) -> None:
    if filename not in (None, _filename(model)):
        raise NotFound(f"The archive of model {model.id} has another name.")
    if model.status != "ready":
        raise Conflict(f"Model {model.id} is {model.status}, not ready.")


def _filename(model: Model) -> str:
    return f"model-{model.id}-{model.created_at:%Y%m%d}.zip"


def _plan_anew(model_id: int, include: str | None, filename: str | None) -> Download:
    manifest = read_manifest(model_id)
    model, rows, documents = manifest.model, manifest.rows, manifest.documents
    _require_ready(model, filename)
    if not rows:
        raise NotFound(f"Model {model_id} has no files.")
    for row in rows:
        if row.error is not None and row.crc32 is not None and is_included(row.path, include):
            raise Conflict(row.error)
    packed = pack(model, rows, documents)
    if packed is None:
        return _unplanned(manifest, include)
    # A model from before there were stored plans, or of another format, or whose process was killed before it
    # could: whoever asks first stores it for all others. That can wait where the tables cannot be written.
    with suppress(Unavailable):
        plans.store_plan(manifest, packed)
    plan = unpack(model, packed)
    if include is not None:
        return _part(model, include, plan)
    return Download(model, packed.etag, packed.length, lambda: plan)


def _unplanned(manifest: Manifest, include: str | None) -> Download:
    model, rows = manifest.model, manifest.rows
    stored = {row.path: StoredFile(f"{model.storage_path}/{row.path}", row.size, row.etag, row.crc32) for row in rows}
    contents: dict[str, Content] = {**stored}
    contents |= {path: MadeFile(text.encode()) for path, text in manifest.documents.items()}
    names = archive_names(contents)
    chosen = [(names[path], content) for path, content in contents.items() if is_included(path, include)]
    doubtful = [stored[row.path] for row in rows if row.error is not None and is_included(row.path, include)]
    return _listed(model, include, chosen, doubtful)


def _part(model: Model, include: str, plan: Plan) -> Download:
    indexes = [index for index, path in enumerate(plan.paths) if is_included(path, include)]
    return _listed(model, include, [(plan.names[index], plan.contents[index]) for index in indexes])


def _listed(
    model: Model, include: str | None, chosen: Sequence[tuple[str, Content]], doubtful: Sequence[Content] = ()
) -> Download:
    if not chosen:
        raise NotFound(f"Model {model.id} has no file {include}.")
    contents = [content for _, content in chosen]
    measures = [(entry_name(model.id, name), *_measures(content)) for name, content in chosen]
    entries = [Entry(name, size, crc32) for name, size, crc32 in measures if crc32 is not None]
    if len(entries) < len(measures):
        unplanned = Unplanned([(name.decode(), size) for name, size, _ in measures], contents, doubtful)
        return Download(model, None, None, lambda: unplanned)
    archive = Archive(entries, model.created_at)
    return Download(model, archive.etag, archive.length, lambda: Parts(archive, contents))


def _measures(content: Content) -> tuple[int, int | None]:
    """Size and CRC-32."""
    if isinstance(content, MadeFile):
        return len(content.data), isal_zlib.crc32(content.data)
    return content.size, content.crc32
