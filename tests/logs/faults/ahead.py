"""The logs service on a machine whose clock is an hour ahead: `gunicorn … tests.logs.faults.ahead:create_app()`."""

import datetime
import time

AHEAD_S = 3600

_datetime, _time = datetime.datetime, time.time


class _Kind(type):
    def __instancecheck__(cls, value):
        return isinstance(value, _datetime)


class _Ahead(_datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + datetime.timedelta(seconds=AHEAD_S)


# Before the service is imported: each of its modules takes the name from here.
datetime.datetime = _Ahead
time.time = lambda: _time() + AHEAD_S

from services.logs.app import create_app  # noqa: E402

__all__ = ["create_app"]
