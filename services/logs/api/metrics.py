"""The endpoints of a job's metrics."""

from __future__ import annotations

from typing import Any

from flask import Response

from services.logs.api.json_answer import json_answer
from services.logs.api.schemas import MetricsQuery, MetricsSchema, StoredMetricsSchema
from services.logs.metrics import points, series
from services.logs.metrics.parse import MAX_BODY_BYTES, NewMetricsSchema, read_points
from shared.http.body import read_body, require_json
from shared.http.service import Blueprint

blp = Blueprint("metrics", __name__, url_prefix="/api/v1")


@blp.post("/jobs/<id:job_id>/metrics")
@blp.response(201, StoredMetricsSchema)
@blp.doc(requestBody={"required": True, "content": {"application/json": {"schema": NewMetricsSchema}}})
def create_metrics(job_id: int) -> Response:
    """Store metric points, all on disk when the answer comes, or none; a repeat replaces what it brings."""
    require_json()
    found = read_points(read_body(MAX_BODY_BYTES))
    points.store_points(job_id, points.REPORTED, found)
    return json_answer({"count": len(found)}, 201)


@blp.get("/jobs/<id:job_id>/metrics")
@blp.arguments(MetricsQuery, location="query")
@blp.response(200, MetricsSchema)
def get_metrics(query: dict[str, Any], job_id: int) -> Response:
    """Show a job's curves: what was reported, else what is read from its log, thinned so that no spike is lost."""
    return json_answer(series.read_metrics(job_id, query["name"], query["after_step"], query["max_points"]))
