"""`python -m services.logs.setup` migrates the tables of the logs service; idempotent."""

from __future__ import annotations

from services.logs.tables import MIGRATIONS
from shared.settings import exit_on
from shared.setup import set_up_tables

if __name__ == "__main__":
    with exit_on():
        set_up_tables(MIGRATIONS)
