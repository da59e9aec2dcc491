"""The logs service that looks every half a second whether a client may still read."""

from services.logs.app import create_app
from services.logs.streaming import stream

__all__ = ["create_app"]

stream.CHECK_CLIENT_S = 0.5
stream.HEARTBEAT_S = 0.2
