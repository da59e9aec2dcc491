"""The logs service with seconds for minutes and few connections: `gunicorn … tests.logs.faults.hasty:create_app()`."""

from services.logs import stream
from services.logs.app import create_app
from shared import database

__all__ = ["create_app"]

stream.WRITE_DEADLINE_S = 1.0
stream.HEARTBEAT_S = 0.5
stream.IDLE_S = 20.0
database.POOL_SIZE = 5
