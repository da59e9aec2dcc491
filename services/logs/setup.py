"""`python -m services.logs.setup` brings the tables of the logs service up to date; as often as you like."""

from __future__ import annotations

from dataclasses import dataclass

from services.logs.tables import MIGRATIONS
from shared.database import migrate, open_database
from shared.settings import load


@dataclass(frozen=True)
class SetupSettings:
    database_url: str


def main() -> None:
    for name in migrate(open_database(load(SetupSettings).database_url), MIGRATIONS):
        print(f"applied {name}")


if __name__ == "__main__":
    main()
