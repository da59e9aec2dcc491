"""The logs service whose retention looks again and again: `gunicorn … tests.logs.hasty_retention:create_app()`."""

from services.logs import retention
from services.logs.app import create_app

__all__ = ["create_app"]

retention.FIRST_S = retention.EVERY_S = 0.2
