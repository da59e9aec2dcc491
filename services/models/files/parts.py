"""The parts of a multipart upload: how large each is, how they become the object, and the row that knows of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import gevent

from services.models.presigned_urls import LIFETIME
from services.models.tables import InParts, connected
from shared.database.queries import get_or_404, update_row
from shared.errors import Conflict, Unavailable, Unprocessable
from shared.s3.bucket import Bucket
from shared.s3.errors import ObjectMissing, StoreHangs
from shared.s3.multipart import PartInfo

_MIB = 2**20
_SMALLEST_PART = 16 * _MIB
_LARGEST_PART = 5 * 2**30
_USUAL_PARTS = 1000
_PAUSES_S = (0.2, 1.0)

Sent = list[dict[str, Any]]
"""The parts as their sender names them: ``number`` and ``etag`` of each."""


@connected
def find_upload(table: type[InParts], model_id: int, upload_id: int) -> Any:
    """Return the row of a model's upload, or raise NotFound where there is none, or none any more."""
    known = (table.id == upload_id) & (table.model_id == model_id) & (table.expires_at > datetime.now(UTC))
    return get_or_404(table.select().where(known), f"upload {upload_id} of model {model_id}")


@connected
def extend(upload: InParts, **values: Any) -> None:
    """Set fields of the row, which expires no sooner than links that are signed now."""
    update_row(upload, expires_at=datetime.now(UTC) + LIFETIME, **values)


@connected
def forget(upload: InParts) -> None:
    """Delete the row; not one that a request has kept alive meanwhile: it will find that the store lost it."""
    table = type(upload)
    table.delete().where(table.id == upload.id, table.expires_at == upload.expires_at).execute()


def part_size(size: int) -> int:
    """Return the bytes of every part but the last: whole MiB, for about a thousand parts, of 16 MiB to 5 GiB."""
    wanted = -(-size // (_USUAL_PARTS * _MIB)) * _MIB
    return min(max(wanted, _SMALLEST_PART), _LARGEST_PART)


def sizes_of(upload: InParts) -> dict[int, int]:
    """Return how large each part must be, by its number."""
    if upload.size == 0:
        return {}
    edges = [*range(0, upload.size, upload.part_size), upload.size]
    return {number: end - start for number, (start, end) in enumerate(pairwise(edges), 1)}


def join_parts(bucket: Bucket, upload: InParts, sent: Sent) -> str:
    """Complete the upload in the store and return the object's etag; retried, for Ceph's gateway fails while another
    request completes it.
    """
    if upload.size == 0:  # S3 puts nothing together of nothing
        if sent:
            raise Unprocessable.field("parts", "A file of no bytes has none.")
        bucket.abort_upload(upload.key, upload.store_id)
        return bucket.put(upload.key, io.BytesIO())
    for pause in _PAUSES_S:
        try:
            return _join_once(bucket, upload, sent)
        except StoreHangs:
            raise
        except Unavailable:
            gevent.sleep(pause)
    return _join_once(bucket, upload, sent)


def check_parts(bucket: Bucket, upload: InParts, sent: Sent) -> None:
    """Raise Unprocessable unless the parts are all that came, and Conflict where the store lost them."""
    try:
        _require_parts(upload, sent, bucket.list_parts(upload.key, upload.store_id))
    except ObjectMissing as error:
        raise _lost(upload) from error


def _lost(upload: InParts) -> Conflict:
    return Conflict(f"The store no longer has upload {upload.id}; begin another one.")


def _join_once(bucket: Bucket, upload: InParts, sent: Sent) -> str:
    """Return the object's etag, also where another request has completed it.

    That one may have died before the row was written; or the store removes the parts while they are listed here.
    """
    etags = _etags_of(sent)
    try:
        _require_parts(upload, sent, bucket.list_parts(upload.key, upload.store_id))
        return bucket.complete_upload(upload.key, upload.store_id, [(etag, None) for etag in etags])
    except (ObjectMissing, Unprocessable) as error:
        joined = bucket.joined_etag(upload.key, etags)
        if joined is not None:
            return joined
        if isinstance(error, ObjectMissing):
            raise _lost(upload) from error
        raise


def _etags_of(sent: Sent) -> list[str]:
    return [part["etag"].strip('"') for part in sent]


def _require_parts(upload: InParts, sent: Sent, came: Sequence[PartInfo]) -> None:
    sizes = sizes_of(upload)
    if [part["number"] for part in sent] != list(sizes):
        raise Unprocessable.field("parts", f"Must be the parts 1 to {len(sizes)}, each once and in this order.")
    stored = {(part.number, part.etag): part.size for part in came}
    for (number, size), etag in zip(sizes.items(), _etags_of(sent), strict=True):
        if (number, etag) not in stored:
            raise Unprocessable.field("parts", f"No part {number} came that has this etag.")
        if stored[number, etag] != size:
            raise Unprocessable.field("parts", f"Part {number} has {stored[number, etag]} bytes, not {size}.")
