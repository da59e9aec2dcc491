"""Driver errors, translated into Unavailable."""

from __future__ import annotations

import sqlite3

import psycopg
from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from shared.errors import Unavailable
from shared.telemetry.metrics import database_errors

_DRIVER_ERRORS = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)
"""What the drivers raise where they are called without peewee in between."""

_UNAVAILABLE = (OperationalError, InterfaceError, *_DRIVER_ERRORS)


class _Translated:
    """Translates what drivers and peewee raise.

    A class, as ``connection`` is one: generators and their context managers took a thirtieth of a small request.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, _UNAVAILABLE):
            raise unavailable(error) from error
        if isinstance(error, MaxConnectionsExceeded):
            database_errors.inc()
            raise Unavailable("Every database connection is in use.") from error


translated = _Translated()


def unavailable(error: Exception) -> Unavailable:
    """Return, and count, the error of a database that does not answer."""
    database_errors.inc()
    return Unavailable(f"The database does not answer: {str(error).strip()}.")
