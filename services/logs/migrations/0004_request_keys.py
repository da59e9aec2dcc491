"""The idempotency key of a job's creation, and when a job's lines were deleted."""


def up(migrator, db):
    for column in ("request_key VARCHAR(255)", "request_digest VARCHAR(255)", "log_expired_at BIGINT"):
        db.execute_sql(f"ALTER TABLE job ADD COLUMN {column}")
    db.execute_sql("CREATE UNIQUE INDEX job_request_key ON job (request_key)")
