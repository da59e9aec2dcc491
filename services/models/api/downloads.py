"""The endpoints of a model's archive."""

from __future__ import annotations

from collections.abc import Generator
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
@blp.arguments(DownloadQuery, location="query")
@blp.response(200, _ZIP, content_type="application/zip")
def download_model(query: dict[str, Any], model_id: int) -> Response:
    """Stream a ready model, or a part of it, as a ZIP archive."""
    return _answer(find_download(collaborator(PlanCache), model_id, _selection(query)), named=False)


@blp.get("/models/<id:model_id>/download/<filename>")
@blp.arguments(DownloadQuery, location="query")
@blp.response(200, _ZIP, content_type="application/zip")
def download_archive(query: dict[str, Any], model_id: int, filename: str) -> Response:
    """Send the same archive under its own name, with its length, once that is known."""
    return _answer(find_download(collaborator(PlanCache), model_id, _selection(query), filename), named=True)


def _selection(query: dict[str, list[str]]) -> Selection:
    return Selection(tuple(query["include"]), tuple(normalize("NFC", name) for name in query["excluded"]))


def _answer(download: Download, *, named: bool) -> Response:
    """Answer the request's conditions and range; the whole archive has a length under its own name alone."""
    etag, length = (download.archive.etag, download.archive.length) if download.archive else (None, None)
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
    body = iter(()) if is_head else _begin(download.chunks(collaborator(Bucket), reply.start, reply.stop))
    return Response(body, reply.status, headers, mimetype="application/zip", direct_passthrough=True)


def _begin(chunks: Generator[bytes]) -> Generator[bytes]:
    return collaborator(DownloadLimit).begin(chunks, request.environ.get("gunicorn.socket"))
