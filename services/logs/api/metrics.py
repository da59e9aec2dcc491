"""The endpoints of a job's metrics."""

from __future__ import annotations

from typing import Any

from flask import Response

from services.logs.api.json_answer import json_answer
from services.logs.api.schemas import MetricsQuery, MetricsSchema, StoredMetricsSchema
from services.logs.metrics import points, series
from services.logs.metrics.parse import MAX_BODY_BYTES, NewMetricsSchema, read_points
from services.logs.metrics.series import Series
from services.logs.metrics.thinning import Point
from shared.http.body import read_body, require_json
from shared.http.service import Blueprint
from shared.timestamps import format_micros

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
    found = series.read_metrics(job_id, query["name"], query["after_step"], query["max_points"])
    answer = {
        "job_id": job_id,
        "source": found.source,
        "complete": found.complete,
        "read_to": found.read_to,
        "series": [_show_series(curve) for curve in found.series],
    }
    return json_answer(answer)


def _show_series(curve: Series) -> dict[str, Any]:
    return {
        "name": curve.name,
        "count": curve.count,
        "first_step": curve.first.step,
        "last_step": curve.last.step,
        "min": curve.smallest,
        "max": curve.largest,
        "last": points.json_value(curve.last.value),
        "points": [_show_point(point) for point in curve.points],
    }


def show_sparkline(curve: Series) -> dict[str, Any]:
    """Return what a list of jobs shows of a metric."""
    return {"last": points.json_value(curve.last.value), "points": [_show_point(point) for point in curve.points]}


def _show_point(point: Point) -> list[Any]:
    return [point.step, points.json_value(point.value), format_micros(point.timestamp), point.line]
