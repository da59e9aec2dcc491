"""What each service's ``setup`` does before the service can start; idempotent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.database.connect import open_database
from shared.database.migrations import migrate
from shared.settings import load


@dataclass(frozen=True)
class _TableSettings:
    database_url: str


def set_up_tables(migrations: Path) -> None:
    """Bring the tables at ``DATABASE_URL`` up to date, and print what was applied."""
    database = open_database(load(_TableSettings).database_url)
    database.query_timeout_s = None
    for name in migrate(database, migrations):
        print(f"applied {name}")
