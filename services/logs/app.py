"""The logs service's app: `gunicorn -c gunicorn.conf.py "services.logs.app:create_app()"`."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from services.logs import metrics
from services.logs.api import blp
from services.logs.feeds import Feeds
from services.logs.ingest import Ingest
from services.logs.keys import KeySweep
from services.logs.settings import Settings
from services.logs.stream import Streams
from services.logs.tables import MIGRATIONS, database
from shared.database import open_database, require_migrated
from shared.doorbell import Doorbell
from shared.service import create_service
from shared.settings import load


def create_app(settings: Settings | None = None, *, doorbell: Doorbell | None = None) -> Flask:
    """Return the app; it connects to nothing yet."""
    settings = settings or load(Settings)
    doorbell = doorbell or Doorbell(settings.redis_url, metrics.rings_failed.inc)
    database.initialize(open_database(settings.database_url))
    app = create_service(
        "Tunedeck logs",
        [blp],
        checks={"database": lambda: require_migrated(database, MIGRATIONS), "redis": doorbell.ping},
    )
    app.add_url_rule("/metrics", view_func=_show_metrics)
    feeds = Feeds(doorbell, alive=lambda: _is_alive(app))
    app.extensions["feeds"] = feeds
    app.extensions["ingest"] = Ingest(on_commit=feeds.committed)
    app.extensions["keys"] = KeySweep()
    app.extensions["streams"] = Streams(feeds, settings.max_streams)
    return app


def _show_metrics() -> Response:
    return Response(metrics.exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _is_alive(app: Flask) -> bool:
    worker: Any = app.config.get("WORKER")  # set by gunicorn.conf.py; without gunicorn nothing ends early
    return worker is None or bool(worker.alive)
