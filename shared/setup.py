"""What each service's ``setup`` does before the service can start; as often as you like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.database import migrate, open_database
from shared.settings import load
from shared.store import Store, connect


@dataclass(frozen=True)
class _TableSettings:
    database_url: str


@dataclass(frozen=True)
class _BucketSettings:
    s3_endpoint: str
    s3_region: str
    s3_access_key: str
    s3_secret_key: str


def set_up_tables(migrations: Path) -> None:
    """Bring the tables at ``DATABASE_URL`` up to date, and print what was applied."""
    for name in migrate(open_database(load(_TableSettings).database_url), migrations):
        print(f"applied {name}")


def set_up_bucket(name: str) -> None:
    """Make a bucket at ``S3_ENDPOINT`` unless it is there."""
    Store(connect(load(_BucketSettings)), name).make_bucket()
