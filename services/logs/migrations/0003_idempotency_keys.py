"""The table of idempotency keys gets its own name."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE batch RENAME TO idempotency_key")
