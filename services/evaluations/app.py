"""The evaluations service's app: `gunicorn -c gunicorn.conf.py "services.evaluations.app:create_app()"`."""

from __future__ import annotations

from flask import Flask

from services.evaluations.api import blp
from services.evaluations.models_client import ModelsClient
from services.evaluations.settings import Settings
from services.evaluations.tables import MIGRATIONS, database
from services.evaluations.test_sets import BUCKET
from shared.database import open_database, require_migrated
from shared.doorbell import Doorbell
from shared.service import create_service
from shared.settings import load
from shared.store import Store, connect


def create_app(
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    doorbell: Doorbell | None = None,
    models: ModelsClient | None = None,
) -> Flask:
    """Return the app; it connects to nothing yet."""
    settings = settings or load(Settings)
    store = store or Store(connect(settings), BUCKET)
    doorbell = doorbell or Doorbell(settings.redis_url)
    database.initialize(open_database(settings.database_url))
    app = create_service(
        "Tunedeck evaluations",
        [blp],
        checks={
            "database": lambda: require_migrated(database, MIGRATIONS),
            "store": store.check,
            "redis": doorbell.ping,
        },
    )
    app.extensions["store"] = store
    app.extensions["doorbell"] = doorbell
    app.extensions["models"] = models or ModelsClient(settings.models_url)
    return app
