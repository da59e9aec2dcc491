"""A download of a model's archive: what its headers say, and its bytes."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from services.models.archive.layout import Read
from services.models.archive.object_reader import Content, ObjectDamaged, require_present
from services.models.archive.plan import Plan, PlanCache
from services.models.archive.prefetch import read_pieces
from services.models.archive.streaming_zip import stream_zip
from services.models.files.file_records import record_damage
from services.models.records.models import get_model
from services.models.selection import Selection
from services.models.tables import Model
from shared.errors import Conflict, Gone, NotFound, Unavailable
from shared.s3.bucket import Bucket

_SMALL_BYTES = 64 * 1024
"""Pieces below this go out together: each write costs more than copying it does."""


@dataclass(frozen=True)
class Download:
    """A model's archive, or a part of it, before any of it is read."""

    plan: Plan
    selection: Selection
    pinned: str | None
    """The digest by which its address names the archive, which no other one has."""
    revision: str | None
    """The digest of the model's whole archive, once its layout is known."""

    @property
    def filename(self) -> str:
        return archive_name(self.plan.model, self.pinned)

    @property
    def location(self) -> str | None:
        """The path of the address that never has other bytes, once there is one."""
        model = self.plan.model
        if self.revision is None:
            return None
        return f"/api/v1/models/{model.id}/download/{archive_name(model, self.revision)}{self.selection.query}"

    def chunks(self, bucket: Bucket, start: int = 0, stop: int | None = None) -> Generator[bytes]:
        """Yield the bytes ``start`` to ``stop`` of the archive, or all of one whose length is not known.

        Raises Conflict (a file is missing, or another by now) and Unavailable, for the first file before anything is
        yielded. What is raised later must break the connection.
        """
        model, members, archive = self.plan.model, self.plan.members, self.plan.archive
        contents = [member.content for member in members]
        try:
            if archive is not None:
                pieces = archive.pieces(start, archive.length if stop is None else stop)
                yield from _send_pieces(bucket, contents, pieces)
            else:
                require_present(bucket, [member.content for member in members if member.error is not None])
                entries = [(member.name.decode(), member.content.size) for member in members]
                reads = [Read(index, 0, size) for index, (_, size) in enumerate(entries)]
                with closing(read_pieces(bucket, contents, reads)) as turns:
                    files = (turn for turn in turns if not isinstance(turn, bytes))
                    yield from stream_zip(entries, model.created_at, files)
        except ObjectDamaged as error:
            record_damage(model, error.stored.key, error.stored.etag, error.message)
            raise


def _send_pieces(bucket: Bucket, contents: Sequence[Content], pieces: Iterable[bytes | Read]) -> Generator[bytes]:
    """Yield what ``pieces`` name, the small ones together; nothing before the first file of them was opened."""
    pending = b""
    with closing(read_pieces(bucket, contents, pieces)) as turns:
        for turn in turns:
            if isinstance(turn, bytes):
                pending += turn
                if len(pending) >= _SMALL_BYTES:
                    yield pending
                    pending = b""
                continue
            with closing(turn) as chunks:
                for chunk in chunks:
                    if len(chunk) < _SMALL_BYTES:
                        yield pending + chunk
                    else:
                        # Joining the two would copy the large one.
                        if pending:
                            yield pending
                        yield chunk
                    pending = b""
    if pending:
        yield pending


def find_download(plans: PlanCache, model_id: int, selection: Selection, filename: str | None = None) -> Download:
    """Return the archive of a ready model, or of what is selected of it.

    Raises NotFound (no such model, no files, nothing selected, or it has another name than ``filename``), Gone (the
    name is that of an earlier archive), Conflict (not ready, or a damaged file) and Unavailable: for an archive that
    is asked for by its ``filename`` until its length is known, and while announced checksums are still unread.
    """
    model = get_model(model_id)
    pinned = _require_ready(model, filename)
    plan = plans.get(model)
    _require_ready(plan.model, filename)  # it may have changed meanwhile
    revision = plan.digest
    if pinned is not None and revision is not None and pinned != revision:
        raise Gone(f"Model {model_id} was frozen anew; its archive is {archive_name(model, revision)}.")
    if not selection.is_all:
        plan = plan.part(selection)
    plan.require_undamaged()
    if filename is not None and plan.archive is None:
        raise Unavailable(f"Not every checksum of model {model_id} is known yet.", retry_after=5)
    return Download(plan, selection, pinned, revision)


def _require_ready(model: Model, filename: str | None) -> str | None:
    """Return the digest in the file name, or None where it names no archive."""
    pinned = None
    if filename not in (None, archive_name(model)):
        stem = archive_name(model).removesuffix(".zip")
        match = re.fullmatch(rf"{stem}-([0-9a-f]{{12}})\.zip", filename or "")
        if match is None:
            raise NotFound(f"The archive of model {model.id} has another name.")
        pinned = match[1]
    if model.status != "ready":
        raise Conflict(f"Model {model.id} is {model.status}, not ready.")
    return pinned


def archive_name(model: Model, digest: str | None = None) -> str:
    """Return the name of a model's archive, or of the one that has this digest."""
    suffix = "" if digest is None else f"-{digest}"
    return f"model-{model.id}-{model.created_at:%Y%m%d}{suffix}.zip"
