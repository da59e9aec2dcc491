"""What the tables of the models service tell an operator: uploads that are open, files without checksums."""

from __future__ import annotations

from datetime import UTC, datetime

from services.models.tables import File, Model, Upload, connected
from shared.telemetry.metrics import TableGauge


@connected
def _open_uploads() -> int:
    query = Upload.select().where(Upload.etag.is_null(), Upload.expires_at > datetime.now(UTC))
    return int(query.count())


@connected
def _unread_files() -> int:
    return int(File.select().where(File.sha256.is_null() & File.error.is_null()).count())


@connected
def _oldest_unread_age_s() -> float:
    """Return for how long the model of the file that is next has not changed; 0 where none is."""
    unread = File.sha256.is_null() & File.error.is_null()
    model_id = File.select(File.model_id).where(unread).order_by(File.id).limit(1).scalar()
    model = None if model_id is None else Model.select(Model.updated_at).where(Model.id == model_id).first()
    return 0.0 if model is None else max(0.0, (datetime.now(UTC) - model.updated_at).total_seconds())


GAUGES = (
    TableGauge("tunedeck_uploads_open", "Uploads in parts that are open.", _open_uploads),
    TableGauge("tunedeck_checksum_queue_files", "Files whose checksums are not known yet.", _unread_files),
    TableGauge(
        "tunedeck_checksum_queue_age_seconds",
        "Seconds since the model of the next file without checksums last changed.",
        _oldest_unread_age_s,
    ),
)
