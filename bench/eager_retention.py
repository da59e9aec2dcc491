"""The logs service whose retention looks each second, for the benchmark of what a sweep costs others."""

from services.logs import retention
from services.logs.app import create_app

__all__ = ["create_app"]

retention.FIRST_S = retention.EVERY_S = 1.0
