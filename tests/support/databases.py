"""Which databases a test runs on: both, unless it never reaches SQL."""

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
