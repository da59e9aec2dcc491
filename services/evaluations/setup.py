"""`python -m services.evaluations.setup` brings the tables up to date and makes the bucket; as often as you like."""

from __future__ import annotations

from dataclasses import dataclass

from services.evaluations.tables import MIGRATIONS
from services.evaluations.test_sets import BUCKET
from shared.database import migrate, open_database
from shared.settings import load
from shared.store import Store, connect


@dataclass(frozen=True)
class SetupSettings:
    database_url: str
    s3_endpoint: str
    s3_region: str
    s3_access_key: str
    s3_secret_key: str


def main() -> None:
    settings = load(SetupSettings)
    for name in migrate(open_database(settings.database_url), MIGRATIONS):
        print(f"applied {name}")
    Store(connect(settings), BUCKET).make_bucket()


if __name__ == "__main__":
    main()
