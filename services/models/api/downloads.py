"""The endpoints of a model's archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

from flask import Response, request

from services.models.api.conditional import choose_reply
from services.models.api.schemas import DownloadQuery
from services.models.archive.download import Download, find_download
from services.models.archive.download_limit import DownloadLimit
from services.models.archive.plan import PlanCache
from services.models.selection import Selection
from shared.http.collaborators import collaborator
from shared.http.errors import error_response
from shared.http.service import Blueprint
from shared.s3.bucket import Bucket

_REFUSALS = {
    412: "The archive is not the one that If-Match names.",
    416: "The archive has no such bytes.",
    428: "A part of this archive is sent for If-Range or If-Match only: {}",
}

_ZIP = {"type": "string", "format": "binary"}

blp = Blueprint("downloads", __name__, url_prefix="/api/v1")


@blp.get("/models/<id:model_id>/download")
@blp.get("/models/<id:model_id>/download/<filename>", endpoint="download_archive")
@blp.arguments(DownloadQuery, location="query")
@blp.response(200, _ZIP, content_type="application/zip")
def download_model(query: dict[str, Any], model_id: int, filename: str | None = None) -> Response:
    """Stream a ready model, or a part of it, as a ZIP archive; under its own name with its length, once known."""
    selection = Selection(tuple(query["include"]), tuple(normalize("NFC", name) for name in query["excluded"]))
    download = find_download(collaborator(PlanCache), model_id, selection, filename)
    return _answer(download, named=filename is not None)


def _answer(download: Download, *, named: bool) -> Response:
    """Answer the request's conditions and range; the whole archive has a length under its own name alone."""
    archive = download.plan.archive
    etag, length = (archive.etag, archive.length) if archive else (None, None)
    is_head = request.method == "HEAD"
    immutable = download.pinned is not None
    reply = choose_reply(request.headers.get, etag, length, ranged=not is_head, immutable=immutable)
    headers = {"Accept-Ranges": "bytes", "ETag": etag} if etag else {"Accept-Ranges": "none"}
    location = download.location
    if reply.status in _REFUSALS:
        headers |= {"Content-Range": f"bytes */{length}"} if reply.status == 416 else {}
        where = "its checksums are not known yet." if location is None else f"{location} has ranges for all."
        return error_response(reply.status, _REFUSALS[reply.status].format(where), headers=headers)
    if location is not None and not immutable:
        headers["Content-Location"] = location
    if reply.status == 304:
        return Response(status=304, headers=headers)
    if reply.status == 206:
        headers["Content-Range"] = f"bytes {reply.start}-{reply.stop - 1}/{length}"
        headers["Content-Length"] = str(reply.stop - reply.start)
    elif named:
        headers["Content-Length"] = str(length)
    headers["Content-Disposition"] = f"attachment; filename={download.filename}"
    body: Iterator[bytes] = iter(())
    if not is_head:
        chunks = download.chunks(collaborator(Bucket), reply.start, reply.stop)
        body = collaborator(DownloadLimit).begin(chunks, request.environ.get("gunicorn.socket"))
    return Response(body, reply.status, headers, mimetype="application/zip", direct_passthrough=True)
