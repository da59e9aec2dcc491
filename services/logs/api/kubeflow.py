"""The endpoint that Kubeflow's trainer callbacks post to."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.logs.api.schemas import StoredMetricsSchema
from services.logs.integrations import kubeflow
from services.logs.metrics.parse import MAX_VALUES
from services.logs.metrics.trainer_lines import MAX_NAME_CHARS
from shared.http.fields import Items, Number, Time
from shared.http.schemas import TolerantBodySchema
from shared.http.service import Blueprint

blp = Blueprint("kubeflow", __name__, url_prefix="/api/v1")


class _StatusMetricSchema(TolerantBodySchema):
    name = ma.fields.String(required=True, validate=validate.Length(1, MAX_NAME_CHARS))
    value = ma.fields.String(required=True)


class _TrainerStatusSchema(TolerantBodySchema):
    percentage = Number(
        data_key="progressPercentage", load_default=None, allow_none=True, validate=validate.Range(0, 100)
    )
    moment = Time(data_key="lastUpdatedTime", load_default=None, allow_none=True)
    metrics = Items(
        ma.fields.Nested(_StatusMetricSchema),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=MAX_VALUES),
    )


class TrainerStatusSchema(TolerantBodySchema):
    status = ma.fields.Nested(_TrainerStatusSchema, data_key="trainerStatus", required=True)


@blp.post("/jobs/<id:job_id>/trainer-status")
@blp.arguments(TrainerStatusSchema)
@blp.response(200, StoredMetricsSchema)
def update_status(update: dict[str, Any], job_id: int) -> dict[str, int]:
    """Set a job's progress, and store the metrics that its status has at a step."""
    status = update["status"]
    metrics = [(metric["name"], metric["value"]) for metric in status["metrics"] or []]
    return {"count": kubeflow.store_status(job_id, status["percentage"], metrics, status["moment"])}
