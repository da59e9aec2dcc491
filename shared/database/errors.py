"""Driver errors, translated into Unavailable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from shared.errors import Unavailable
from shared.telemetry.metrics import database_errors

_DRIVER_ERRORS = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InterfaceError)
"""What the drivers raise where they are called without peewee in between."""


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, *_DRIVER_ERRORS) as error:
        raise unavailable(error) from error
    except MaxConnectionsExceeded as error:
        database_errors.inc()
        raise Unavailable("Every database connection is in use.") from error


def unavailable(error: Exception) -> Unavailable:
    """Return, and count, the error of a database that does not answer."""
    database_errors.inc()
    return Unavailable(f"The database does not answer: {str(error).strip()}.")
