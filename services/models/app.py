"""The models service's app: `gunicorn -c gunicorn.conf.py "services.models.app:create_app()"`."""

from __future__ import annotations

from flask import Flask

from services.models.api import downloads, files, hub_absent, hub_reading, hub_uploading, models, uploads
from services.models.archive.download_limit import DownloadLimit
from services.models.archive.plan import PlanCache
from services.models.bucket import BUCKET
from services.models.hub.commit_limit import CommitLimit
from services.models.hub.snapshot import Snapshots
from services.models.hub.upstream import Upstream
from services.models.logs_client import LogsClient
from services.models.records.models import get_model
from services.models.settings import Settings
from services.models.table_gauges import GAUGES
from services.models.tables import MIGRATIONS, database
from shared.auth.access import Access
from shared.auth.settings import AuthSettings
from shared.database.connect import open_database
from shared.database.migrations import require_migrated
from shared.http.collaborators import provide
from shared.http.service import create_service
from shared.s3.bucket import Bucket
from shared.s3.client import connect
from shared.settings import load


def create_app(
    settings: Settings | None = None,
    *,
    bucket: Bucket | None = None,
    logs: LogsClient | None = None,
    access: Access | None = None,
) -> Flask:
    """Return the app; it connects to nothing yet."""
    settings = settings or load(Settings)
    access = access or Access(load(AuthSettings), lambda model_id: get_model(model_id).job_id)
    bucket = bucket or Bucket(connect(settings), BUCKET)
    database.initialize(open_database(settings.database_url))
    app = create_service(
        "Tunedeck models",
        [
            models.blp,
            files.blp,
            uploads.blp,
            downloads.blp,
            hub_reading.blp,
            hub_uploading.blp,
            hub_absent.blp,
        ],
        checks={"database": lambda: require_migrated(database, MIGRATIONS), "store": bucket.check},
        access=access,
        gauges=GAUGES,
    )
    provide(
        app,
        {
            Bucket: bucket,
            CommitLimit: CommitLimit(),
            DownloadLimit: DownloadLimit(),
            PlanCache: PlanCache(),
            Snapshots: Snapshots(),
            Upstream: Upstream(),
            Settings: settings,
            LogsClient: logs or LogsClient(settings.logs_url, lambda: access.service_headers("models")),
        },
    )
    return app
