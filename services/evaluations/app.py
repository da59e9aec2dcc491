"""The evaluations service's app: `gunicorn -c gunicorn.conf.py "services.evaluations.app:create_app()"`."""

from __future__ import annotations

from flask import Flask

from services.evaluations.api import evaluations, test_sets
from services.evaluations.datasets.test_sets import BUCKET
from services.evaluations.models_client import ModelsClient
from services.evaluations.settings import Settings
from services.evaluations.table_gauges import GAUGES
from services.evaluations.tables import MIGRATIONS, database
from shared.auth.access import Access
from shared.auth.settings import AuthSettings
from shared.database.connect import open_database
from shared.database.migrations import require_migrated
from shared.http.collaborators import provide
from shared.http.service import create_service
from shared.notifier import Notifier
from shared.s3.bucket import Bucket
from shared.s3.client import connect
from shared.settings import load


def create_app(
    settings: Settings | None = None,
    *,
    bucket: Bucket | None = None,
    notifier: Notifier | None = None,
    models: ModelsClient | None = None,
    access: Access | None = None,
) -> Flask:
    """Return the app; it connects to nothing yet."""
    settings = settings or load(Settings)
    access = access or Access(load(AuthSettings))
    models = models or ModelsClient(settings.models_url, lambda: access.service_headers("evaluations"))
    bucket = bucket or Bucket(connect(settings), BUCKET)
    notifier = notifier or Notifier(settings.redis_url)
    database.initialize(open_database(settings.database_url))
    app = create_service(
        "Tunedeck evaluations",
        [evaluations.blp, test_sets.blp],
        checks={
            "database": lambda: require_migrated(database, MIGRATIONS),
            "store": bucket.check,
            "redis": notifier.ping,
        },
        access=access,
        gauges=GAUGES,
    )
    provide(app, {Bucket: bucket, Notifier: notifier, ModelsClient: models})
    return app
