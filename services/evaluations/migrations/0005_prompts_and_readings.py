"""How an evaluation asks its rows, and how a test set is read."""


def up(migrator, db):
    for column in ("prompt TEXT", "generation TEXT"):
        db.execute_sql(f"ALTER TABLE evaluation ADD COLUMN {column}")
    for column in ("classes TEXT", "duplicates INTEGER", "fields TEXT", "reading TEXT"):
        db.execute_sql(f"ALTER TABLE test_set ADD COLUMN {column}")
