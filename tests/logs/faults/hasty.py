"""The logs service with seconds for minutes and few connections: `gunicorn … tests.logs.faults.hasty:create_app()`."""

from services.logs.app import create_app
from services.logs.streaming import stream
from shared.database import connect
from shared.http import body

__all__ = ["create_app"]

stream.WRITE_TIMEOUT_S = 1.0
stream.HEARTBEAT_S = 0.5
stream.IDLE_S = 20.0
connect.POOL_SIZE = 5
body.TIMEOUT_S = 1.0
