"""Uploads in parts: their senders PUT the parts into the store by presigned links, and the service joins them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import gevent

from services.models import deposit, files, multipart
from services.models.deposit import Deposited
from services.models.files import Held, hold
from services.models.links import LIFETIME, Links
from services.models.multipart import StoredPart
from services.models.tables import File, Model, Upload, connected, database
from shared.errors import Conflict, NotFound, ServiceError, Unavailable, Unprocessable
from shared.pagination import Page, paginate
from shared.store import ObjectMissing, Store

_MIB = 2**20
_SMALLEST_PART = 16 * _MIB
_LARGEST_PART = 5 * 2**30
_USUAL_PARTS = 1000
_PAUSES_S = (0.2, 1.0)

Sent = list[dict[str, Any]]
"""The parts as their sender names them: ``number`` and ``etag`` of each."""


def begin_upload(
    store: Store, model_id: int, path: str, links: Links, *, size: int, sha256: str | None
) -> dict[str, Any]:
    """Open an upload of ``size`` bytes and return it with links to all of its parts.

    Raises what ``files.hold`` and ``files.check_path`` raise, and Unavailable.
    """
    announced = None if sha256 is None else sha256.lower()
    with hold(model_id, path) as held:
        files.check_path(model_id, path)
        store_id = multipart.begin(store, held.key)
        try:
            upload = _insert(held, size=size, sha256=announced, part_size=part_size(size), store_id=store_id)
        except ServiceError:
            multipart.abort(store, held.key, store_id)
            raise
    return _progress(upload, [], links)


def part_size(size: int) -> int:
    """Return the bytes of every part but the last: whole MiB, for about a thousand parts, of 16 MiB to 5 GiB."""
    wanted = -(-size // (_USUAL_PARTS * _MIB)) * _MIB
    return min(max(wanted, _SMALLEST_PART), _LARGEST_PART)


@connected
def _insert(held: Held, **columns: Any) -> Upload:
    with database.atomic():
        files.changing_model(held)
        return Upload.create(
            model_id=held.model_id, path=held.path, key=held.key, expires_at=datetime.now(UTC) + LIFETIME, **columns
        )


@connected
def list_uploads(model_id: int, *, page: int, limit: int) -> Page:
    """Return a page of the model's uploads, newest first, or raise NotFound."""
    if not Model.select().where(Model.id == model_id).exists():
        raise NotFound(f"There is no model {model_id}.")
    query = Upload.select().where(Upload.model_id == model_id, Upload.expires_at > datetime.now(UTC))
    return paginate(query.order_by(Upload.id.desc()), page, limit)


def show_upload(store: Store, model_id: int, upload_id: int, links: Links) -> dict[str, Any]:
    """Return an upload, fresh links to what is missing of it, and what came; it lives as long as they do.

    Raises NotFound and Unavailable.
    """
    upload = _find(model_id, upload_id, live_for=LIFETIME)
    came = [] if upload.etag else multipart.list_parts(store, upload.key, upload.store_id)
    return _progress(upload, came, links)


def _progress(upload: Upload, came: list[StoredPart], links: Links) -> dict[str, Any]:
    sizes = {} if upload.etag else _sizes(upload)
    whole = {part.number: part for part in came if part.size == sizes.get(part.number)}
    missing = [number for number in sizes if number not in whole]
    fresh = [{"number": number, "url": links.part_url(upload.key, upload.store_id, number)} for number in missing]
    uploaded = [whole[number] for number in sorted(whole)]
    return {**upload.__data__, "status": upload.status, "parts": fresh, "uploaded": uploaded}


def _sizes(upload: Upload) -> dict[int, int]:
    """How large each part must be, by its number."""
    edges = [*range(0, upload.size, upload.part_size), upload.size]
    return {number: end - start for number, (start, end) in enumerate(pairwise(edges), 1)}


@connected
def _find(model_id: int, upload_id: int, live_for: timedelta = timedelta()) -> Upload:
    """Return the upload, which from now on has ``live_for`` to live at the least."""
    now = datetime.now(UTC)
    upload = Upload.get_or_none(Upload.id == upload_id, Upload.model_id == model_id, Upload.expires_at > now)
    if upload is None:
        raise NotFound(f"Model {model_id} has no upload {upload_id}.")
    if upload.etag is None and live_for:
        upload.expires_at = now + live_for
        upload.save()
    return upload


def complete_upload(store: Store, model_id: int, upload_id: int, sent: Sent) -> Deposited:
    """Make the parts the file, and return its record: as often as it is asked for, also several times at once.

    Raises NotFound, Conflict (the model is ready, the store lost the upload, or the file is another by now),
    Unprocessable (other parts than came) and Unavailable.
    """
    upload = _find(model_id, upload_id, live_for=LIFETIME)
    if upload.etag is None:
        with hold(model_id, upload.path) as held:
            files.check_path(model_id, upload.path)
            etag = _join(store, upload, sent)
            deposit.record(store, held, size=upload.size, etag=etag, announced_sha256=upload.sha256)
            _mark_completed(upload, etag)
    return _recorded(upload)


def _join(store: Store, upload: Upload, sent: Sent) -> str:
    """Join the parts and return the object's etag; S3 is asked again where it fails.

    Ceph's gateway does while another request joins them.
    """
    for pause in _PAUSES_S:
        with suppress(Unavailable):
            return _join_once(store, upload, sent)
        gevent.sleep(pause)
    return _join_once(store, upload, sent)


def _join_once(store: Store, upload: Upload, sent: Sent) -> str:
    """Return the object's etag, also where it was joined before and nobody lived to record it."""
    etags = [part["etag"].strip('"') for part in sent]
    try:
        _require_parts(upload, sent, etags, multipart.list_parts(store, upload.key, upload.store_id))
        return multipart.complete(store, upload.key, upload.store_id, etags)
    except ObjectMissing as error:
        joined = store.joined(upload.key, etags)
        if joined is None:
            raise Conflict(f"The store no longer has upload {upload.id}; begin another one.") from error
        return joined


def _require_parts(upload: Upload, sent: Sent, etags: list[str], came: list[StoredPart]) -> None:
    sizes = _sizes(upload)
    if [part["number"] for part in sent] != list(sizes):
        raise Unprocessable.field("parts", f"Must be the parts 1 to {len(sizes)}, each once and in this order.")
    stored = {(part.number, part.etag): part.size for part in came}
    for (number, size), etag in zip(sizes.items(), etags, strict=True):
        if (number, etag) not in stored:
            raise Unprocessable.field("parts", f"No part {number} came that has this etag.")
        if stored[number, etag] != size:
            raise Unprocessable.field("parts", f"Part {number} has {stored[number, etag]} bytes, not {size}.")


@connected
def _mark_completed(upload: Upload, etag: str) -> None:
    upload.etag = etag
    upload.save()


@connected
def _recorded(upload: Upload) -> Deposited:
    here = (File.model_id == upload.model_id) & (File.path == upload.path) & (File.etag == upload.etag)
    found = File.get_or_none(here)
    if found is None:
        raise Conflict(f"Upload {upload.id} is completed; {upload.path} was replaced or deleted since.")
    return Deposited(found.path, found.size, found.crc32, found.sha256)


def abort_upload(store: Store, model_id: int, upload_id: int) -> None:
    """Drop an open upload and its parts; NotFound, or Conflict where it is completed."""
    upload = _find(model_id, upload_id)
    if upload.etag is not None:
        raise Conflict(f"Upload {upload_id} is completed; delete the file instead.")
    multipart.abort(store, upload.key, upload.store_id)
    _forget(upload)


@connected
def _forget(upload: Upload) -> None:
    Upload.delete().where(Upload.id == upload.id).execute()
