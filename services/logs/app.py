"""The logs service's app: `gunicorn -c gunicorn.conf.py "services.logs.app:create_app()"`."""

from __future__ import annotations

import gevent
from flask import Flask

from services.logs.api import jobs, kubeflow, lines, metrics, mlflow, otlp, session, tickets
from services.logs.lines.ingest import Ingest
from services.logs.retention import sweep_for_ever
from services.logs.settings import Settings
from services.logs.streaming.hub import Hub
from services.logs.streaming.stream import Streams
from services.logs.tables import MIGRATIONS, database
from services.logs.zombies import ZombieSweep
from shared.auth.access import Access
from shared.auth.settings import AuthSettings
from shared.database.connect import open_database
from shared.database.migrations import require_migrated
from shared.gateway_address import GatewayAddress
from shared.http.collaborators import provide
from shared.http.service import create_service
from shared.notifier import Notifier
from shared.settings import load

PUSHES = (
    *("lines.create_lines", "metrics.create_metrics", "otlp.export_logs", "kubeflow.update_status"),
    *(f"mlflow.{call}" for call in ("log_metric", "log_batch", "log_parameter", "set_tag")),
)
"""What a training sends again and again."""


def create_app(
    settings: Settings | None = None, *, notifier: Notifier | None = None, access: Access | None = None
) -> Flask:
    """Return the app; it connects to nothing yet."""
    settings = settings or load(Settings)
    notifier = notifier or Notifier(settings.redis_url)
    database.initialize(open_database(settings.database_url))
    app = create_service(
        "Tunedeck logs",
        [jobs.blp, lines.blp, metrics.blp, mlflow.blp, kubeflow.blp, otlp.blp, session.blp, tickets.blp],
        checks={"database": lambda: require_migrated(database, MIGRATIONS), "redis": notifier.ping},
        access=access or Access(load(AuthSettings)),
        pushes=PUSHES,
    )
    # Set by gunicorn.conf.py; without gunicorn nothing ends early.
    hub = Hub(notifier, alive=lambda: getattr(app.config.get("WORKER"), "alive", True))
    streams = Streams(hub, settings.max_streams)
    ingest = Ingest(on_commit=hub.committed)
    gateway = GatewayAddress(settings.gateway_url, settings.public_url)
    provide(app, {GatewayAddress: gateway, Hub: hub, Ingest: ingest, Streams: streams})
    gevent.spawn(ZombieSweep(ingest, hub.announce).run)
    gevent.spawn(sweep_for_ever, settings.log_retention_days, hub.announce)
    return app
