"""The endpoints of log lines: pushed, paged, streamed."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, request

from services.logs import telemetry
from services.logs.api.json_answer import json_answer
from services.logs.api.line_schemas import (
    LINES_DOCUMENTED,
    PAGE_OR_STREAM_DOCUMENTED,
    LinePageSchema,
    LogQuery,
    StoredLineSchema,
    TextQuery,
)
from services.logs.api.representation import wants_stream, wants_text
from services.logs.jobs import get_job
from services.logs.lines import queries
from services.logs.lines.delete import delete_log
from services.logs.lines.hold import read_last_line
from services.logs.lines.ingest import Ingest, StoredBatch
from services.logs.lines.parse import MAX_BATCH_BYTES, NewBatch, read_batch
from services.logs.lines.queries import Filter, line_record
from services.logs.lines.text_file import read_text
from services.logs.streaming.hub import Hub
from services.logs.streaming.stream import Connection, Streams
from services.logs.streaming.subscriber import subscription
from shared.auth.access import present_access
from shared.auth.identities import current_caller
from shared.errors import Unprocessable
from shared.http.body import read_body
from shared.http.collaborators import collaborator
from shared.http.idempotency import REPLAYED, idempotency_key
from shared.http.service import Blueprint

blp = Blueprint("lines", __name__, url_prefix="/api/v1")

_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "Vary": "Accept",
}


@blp.post("/jobs/<id:job_id>/logs")
@blp.response(201, StoredLineSchema)
@blp.doc(**LINES_DOCUMENTED)
def create_lines(job_id: int) -> Response:
    """Store one line, or many (`{"logs": [...]}` or NDJSON): all on disk when the answer comes, or none."""
    key = idempotency_key()
    raw, encoding = read_body(MAX_BATCH_BYTES), request.headers.get("Content-Encoding", "")
    batch = read_batch(raw, request.mimetype, encoding, lenient=_ignores_unknown())
    stored = collaborator(Ingest).store(job_id, batch, key)
    return _stored_answer(job_id, batch, stored)


@blp.get("/jobs/<id:job_id>/logs")
@blp.arguments(LogQuery, location="query")
@blp.response(200, LinePageSchema)
@blp.alt_response(204, description="The log is over and the client has all of it.", success=True)
@blp.doc(**PAGE_OR_STREAM_DOCUMENTED)
def get_lines(query: dict[str, Any], job_id: int) -> Response:
    """Page through a job's lines, or stream them: `Accept` decides, then whether a paging parameter is there."""
    if wants_text(request.accept_mimetypes):
        return _text_answer(job_id, query)
    if wants_stream(request.accept_mimetypes, request.args.keys()):
        return _stream_answer(job_id, query)
    return _page_answer(job_id, query)


@blp.get("/jobs/<id:job_id>/logs/download")
@blp.arguments(TextQuery, location="query")
@blp.response(200, {"type": "string"}, content_type="text/plain")
def download_lines(query: dict[str, Any], job_id: int) -> Response:
    """Download the log so far as a text file, or with `inline` show it."""
    return _text_answer(job_id, query, "inline" if query["inline"] else "attachment")


@blp.delete("/jobs/<id:job_id>/logs")
def delete_lines(job_id: int) -> dict[str, str]:
    """Delete a job's log for good, a leaked secret's say: its streams end, and from then on it answers 410."""
    try:
        delete_log(job_id)
    finally:
        collaborator(Hub).announce(job_id)
    return {"message": "Log deleted successfully"}


def _ignores_unknown() -> bool:
    # By hand: a schema would take as long as a single line.
    said = request.args.getlist("unknown")
    if said not in ([], ["refuse"], ["ignore"]):
        raise Unprocessable.field("unknown", "Must be one of: refuse, ignore; once.")
    return said == ["ignore"]


def _stored_answer(job_id: int, batch: NewBatch, stored: StoredBatch) -> Response:
    after, limit = stored.first_id - 1, min(stored.count, 1000)
    # By hand: for a single line url_for would be a tenth of the whole request.
    headers = {"Location": f"{blp.url_prefix}/jobs/{job_id}/logs?after={after}&limit={limit}"}
    if stored.replayed:
        headers |= REPLAYED
    if not batch.single:
        counts = {"count": stored.count, "first_id": stored.first_id, "last_id": stored.last_id}
        return json_answer(counts, 201, headers)
    line: tuple[int, str, str, int] = batch.lines[0]
    if stored.replayed:  # then the line shows as it was stored, with the time that it got
        line = queries.read_lines(job_id, stored.first_id - 1, stored.first_id, 1)[0][0][1:]
    return json_answer(line_record(job_id, stored.first_id, *line), 201, headers)


def _page_answer(job_id: int, query: dict[str, Any]) -> Response:
    descending = query["order"] == "desc"
    first, last = query["after"] + 1, min(read_last_line(job_id), query["before"] - 1)
    page = queries.read_page(job_id, first, last, query["limit"], _filter(query), descending=descending)
    telemetry.lines_read.inc(len(page.lines))
    answer = {
        "job_id": job_id,
        "logs": [line_record(job_id, *line) for line in page.lines],
        "count": len(page.lines),
        "has_more": page.has_more,
        "next_before" if descending else "next_after": page.cursor,
    }
    return json_answer(answer, 200, {"Vary": "Accept"})


def _filter(query: dict[str, Any]) -> Filter:
    text = query["q"]
    return Filter(query["level"], query["source"], None if text is None else text.casefold())


def _text_answer(job_id: int, query: dict[str, Any], disposition: str = "attachment") -> Response:
    text = read_text(get_job(job_id), _filter(query))
    headers = {"Content-Disposition": f'{disposition}; filename="job-{job_id}.log"', "Vary": "Accept"}
    return Response(text, headers=headers, content_type="text/plain; charset=utf-8")


def _stream_answer(job_id: int, query: dict[str, Any]) -> Response:
    asked = ("last_event_id", "last_event_id_of_polyfills", "last_event_id_header")
    last_event_ids = (request.headers.get("Last-Event-ID"), *(query[name] for name in asked))
    wanted = subscription(as_json=query["format"] == "json", wanted=_filter(query))
    access, caller, chunked = present_access(), current_caller(), request.environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    socket = request.environ.get("gunicorn.socket")
    connection = Connection(socket, chunked, may_read=partial(access.is_current, caller))
    streams = collaborator(Streams)
    stream = streams.start(job_id, last_event_ids, query["tail"], wanted, connection, follow=query["follow"])
    if stream is None:
        return Response(status=204, headers={"Vary": "Accept"})
    # A gateway that kept the connection of a client told to come back would send the next one to this full process too.
    headers = _STREAM_HEADERS | {"Connection": "close"} if streams.is_full else _STREAM_HEADERS
    # Passed through as it is: Werkzeug's two iterators around it would cost each idle stream a kilobyte.
    return Response(stream, headers=headers, direct_passthrough=True)
