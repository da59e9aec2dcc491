"""Which databases a test runs on: both, unless it never reaches SQL."""

import sqlite3
from contextlib import closing

import psycopg
import pytest


def on(*kinds):
    """Run a test on these databases, and on the other one only in a soak."""
    others = {"sqlite", "postgresql"} - set(kinds)
    slow = [pytest.param(kind, marks=pytest.mark.soak) for kind in sorted(others)]
    return pytest.mark.parametrize("database_kind", [*kinds, *slow], indirect=True, scope="session")


def only_on(kind):
    """Run a test, or all of a file's, on one database."""
    return pytest.mark.parametrize("database_kind", [kind], indirect=True, scope="session")


one_database = only_on("sqlite")
"""For a test whose requests are answered before any SQL: on a second database it would show the same."""


def run_sql(url, statement):
    """Run a statement in a database of either kind, and return its first row."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as connection, connection:
        return connection.execute(statement).fetchone()
