"""The models service with a second for minutes and few places: `gunicorn … tests.models.hasty:create_app()`."""

from services.models import delivery, reading
from services.models.app import create_app

__all__ = ["create_app"]

delivery.WRITE_DEADLINE_S = 1.0
delivery.MAX_DOWNLOADS = 3
reading._FIRST_PAUSE_S = 0.02
