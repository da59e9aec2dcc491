"""Which jobs may still have idempotency keys, and the index by which those whose time is over are found."""


def up(migrator, db):
    # Not by the migrator: on SQLite it would make the table anew, and with it the memory of the ids that were used.
    db.execute_sql("ALTER TABLE job ADD COLUMN has_keys BOOLEAN NOT NULL DEFAULT TRUE")
    db.execute_sql("CREATE INDEX job_has_keys ON job (completed_at) WHERE has_keys")
