"""Multipart uploads: senders PUT the parts into the store by presigned URLs, and the service completes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.models.files.file_records import require_no_clash
from services.models.files.holds import FileHold, hold_file, locked_model
from services.models.files.parts import Sent, extend, find_upload, join_parts, part_size, sizes_of
from services.models.files.put_file import record
from services.models.presigned_urls import LIFETIME, PresignedUrls
from services.models.records.models import get_model
from services.models.tables import File, Upload, connected, database
from shared.database.pagination import Page, paginate
from shared.errors import Conflict, ServiceError
from shared.s3.bucket import Bucket
from shared.s3.multipart import PartInfo


def begin_upload(
    bucket: Bucket, model_id: int, path: str, urls: PresignedUrls, *, size: int, sha256: str | None
) -> dict[str, Any]:
    """Open an upload of ``size`` bytes and return it with the URLs of all of its parts.

    Raises what ``hold_file`` and ``require_no_clash`` raise, and Unavailable.
    """
    announced = None if sha256 is None else sha256.lower()
    with hold_file(model_id, path) as hold:
        require_no_clash(model_id, path)
        store_id = bucket.begin_upload(hold.key)
        try:
            upload = _insert(hold, size=size, sha256=announced, part_size=part_size(size), store_id=store_id)
        except ServiceError:
            bucket.abort_upload(hold.key, store_id)
            raise
    return _progress(upload, [], urls)


@connected
def _insert(hold: FileHold, **columns: Any) -> Upload:
    with database.atomic():
        locked_model(hold)
        return Upload.create(
            model_id=hold.model_id, path=hold.path, key=hold.key, expires_at=datetime.now(UTC) + LIFETIME, **columns
        )


@connected
def list_uploads(model_id: int, *, page: int, limit: int) -> Page:
    """Return a page of the model's uploads, newest first, or raise NotFound."""
    get_model(model_id)
    query = Upload.select().where(Upload.model_id == model_id, Upload.expires_at > datetime.now(UTC))
    return paginate(query.order_by(Upload.id.desc()), page, limit)


def show_upload(bucket: Bucket, model_id: int, upload_id: int, urls: PresignedUrls) -> dict[str, Any]:
    """Return an upload, fresh URLs for its missing parts, and the parts that came; it expires with the URLs.

    Raises NotFound and Unavailable.
    """
    upload = _get_extended(model_id, upload_id)
    came = [] if upload.etag else bucket.list_parts(upload.key, upload.store_id)
    return _progress(upload, came, urls)


def _progress(upload: Upload, came: Sequence[PartInfo], urls: PresignedUrls) -> dict[str, Any]:
    sizes = {} if upload.etag else sizes_of(upload)
    whole = {part.number: part for part in came if part.size == sizes.get(part.number)}
    missing = [number for number in sizes if number not in whole]
    fresh = [{"number": number, "url": urls.part_url(upload.key, upload.store_id, number)} for number in missing]
    uploaded = [whole[number] for number in sorted(whole)]
    return {**upload.__data__, "status": upload.status, "parts": fresh, "uploaded": uploaded}


def _get_extended(model_id: int, upload_id: int) -> Upload:
    upload: Upload = find_upload(Upload, model_id, upload_id)
    if upload.etag is None:
        extend(upload)
    return upload


def complete_upload(bucket: Bucket, model_id: int, upload_id: int, sent: Sent) -> File:
    """Make the parts the file and return its record; idempotent, also for requests that come at once.

    Raises NotFound, Conflict (the model is ready, the store lost the upload, or the file is another by now),
    Unprocessable (other parts than came) and Unavailable.
    """
    upload = _get_extended(model_id, upload_id)
    if upload.etag is None:
        with hold_file(model_id, upload.path) as hold:
            require_no_clash(model_id, upload.path)
            etag = join_parts(bucket, upload, sent)
            record(bucket, hold, size=upload.size, etag=etag, announced_sha256=upload.sha256)
            extend(upload, etag=etag)
    return _recorded(upload)


@connected
def _recorded(upload: Upload) -> File:
    here = (File.model_id == upload.model_id) & (File.path == upload.path) & (File.etag == upload.etag)
    found: File | None = File.get_or_none(here)
    if found is None:
        raise Conflict(f"Upload {upload.id} is completed; {upload.path} was replaced or deleted since.")
    return found


def abort_upload(bucket: Bucket, model_id: int, upload_id: int) -> None:
    """Drop an open upload and its parts; NotFound, or Conflict where it is completed."""
    upload = find_upload(Upload, model_id, upload_id)
    if upload.etag is not None:
        raise Conflict(f"Upload {upload_id} is completed; delete the file instead.")
    bucket.abort_upload(upload.key, upload.store_id)
    _forget(upload)


@connected
def _forget(upload: Upload) -> None:
    Upload.delete().where(Upload.id == upload.id).execute()
