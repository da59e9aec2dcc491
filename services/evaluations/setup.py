"""`python -m services.evaluations.setup` migrates the tables and creates the bucket; idempotent."""

from __future__ import annotations

from services.evaluations.datasets.test_sets import BUCKET
from services.evaluations.tables import MIGRATIONS
from shared.s3.setup import set_up_bucket
from shared.settings import exit_on
from shared.setup import set_up_tables

if __name__ == "__main__":
    with exit_on():
        set_up_tables(MIGRATIONS)
        set_up_bucket(BUCKET)
