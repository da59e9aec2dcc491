"""What a job is called, and what is known of its kernel."""


def up(migrator, db):
    for column in (
        "name VARCHAR(255)",
        "last_seen_at BIGINT",
        "heartbeat_s INTEGER",
        "progress DOUBLE PRECISION",
        "error TEXT",
    ):
        db.execute_sql(f"ALTER TABLE job ADD COLUMN {column}")
    # Of the jobs whose kernels promised to be heard of there are few: the sweep reads no others.
    db.execute_sql(
        "CREATE INDEX job_heartbeat ON job (last_seen_at) WHERE heartbeat_s IS NOT NULL AND status = 'running'"
    )
