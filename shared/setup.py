"""What each service's ``setup`` does before the service can start; idempotent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.database.connect import open_database
from shared.database.migrations import migrate
from shared.s3.bucket import Bucket
from shared.s3.client import S3Settings, connect
from shared.settings import load


@dataclass(frozen=True)
class _TableSettings:
    database_url: str


def set_up_tables(migrations: Path) -> None:
    """Bring the tables at ``DATABASE_URL`` up to date, and print what was applied."""
    for name in migrate(open_database(load(_TableSettings).database_url), migrations):
        print(f"applied {name}")


def set_up_bucket(name: str) -> None:
    """Make a bucket at ``S3_ENDPOINT`` unless it is there."""
    Bucket(connect(load(S3Settings)), name).create()
