"""The endpoint of OpenTelemetry's log exporters."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from services.logs.integrations import otlp
from services.logs.jobs import get_job
from services.logs.lines.ingest import Ingest
from services.logs.lines.parse import MAX_BATCH_BYTES, decode_body
from services.logs.metrics import points
from shared.http.body import read_body
from shared.http.collaborators import collaborator
from shared.http.service import Blueprint

blp = Blueprint("otlp", __name__, url_prefix="/api/v1")

_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An ExportLogsServiceRequest of OTLP 1, gzip or not.",
        "content": {
            otlp.JSON: {"schema": {"type": "object"}},
            otlp.PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "responses": {
        "200": {
            "description": "An ExportLogsServiceResponse in the request's format.",
            "content": {
                otlp.JSON: {"schema": {"type": "object"}},
                otlp.PROTOBUF: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
}


@blp.post("/jobs/<id:job_id>/otlp/v1/logs")
@blp.response(200)
@blp.doc(**_DOCUMENTED)
def export_logs(job_id: int) -> Response:
    """Store log records as lines, and the metrics that they carry: on disk when the answer comes."""
    body = decode_body(read_body(MAX_BATCH_BYTES), request.headers.get("Content-Encoding", ""))
    export = otlp.read_export(body, request.mimetype)
    _store(job_id, export)
    return Response(otlp.write_answer(export, request.mimetype), mimetype=request.mimetype)


def _store(job_id: int, export: otlp.Export) -> None:
    if not export.batch.lines:
        get_job(job_id)
        return
    # The lines first: a repeat finds them by their key, and stores the points anew in any case.
    collaborator(Ingest).store(job_id, export.batch, export.key)
    if export.points:
        points.store_points(job_id, points.REPORTED, export.points)
