"""The models service's app: `gunicorn -c gunicorn.conf.py "services.models.app:create_app()"`."""

from __future__ import annotations

from flask import Flask

from services.models import api, upload_api
from services.models.delivery import Deliveries
from services.models.logs_client import LogsClient
from services.models.settings import Settings
from services.models.storage import BUCKET
from services.models.tables import MIGRATIONS, database
from shared.database import open_database, require_migrated
from shared.service import create_service
from shared.settings import load
from shared.store import Store, connect


def create_app(
    settings: Settings | None = None, *, store: Store | None = None, logs: LogsClient | None = None
) -> Flask:
    """Return the app; it connects to nothing yet."""
    settings = settings or load(Settings)
    store = store or Store(connect(settings), BUCKET)
    database.initialize(open_database(settings.database_url))
    app = create_service(
        "Tunedeck models",
        [api.blp, upload_api.blp],
        checks={"database": lambda: require_migrated(database, MIGRATIONS), "store": store.check},
    )
    app.extensions["settings"] = settings
    app.extensions["store"] = store
    app.extensions["deliveries"] = Deliveries()
    app.extensions["logs"] = logs or LogsClient(settings.logs_url)
    return app
