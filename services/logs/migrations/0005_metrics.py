"""Metric points, and how far each job's log has been read for them."""

from peewee import SqliteDatabase


def up(migrator, db):
    is_sqlite = isinstance(db, SqliteDatabase)
    text = "TEXT" if is_sqlite else 'TEXT COLLATE "C"'
    # A point is one entry in one tree; NaN is NULL, which is what SQLite makes of it.
    db.execute_sql(
        "CREATE TABLE metric (job_id BIGINT NOT NULL, source SMALLINT NOT NULL, "
        f"name {text} NOT NULL, step BIGINT NOT NULL, value DOUBLE PRECISION, timestamp BIGINT NOT NULL, line BIGINT, "
        "PRIMARY KEY (job_id, source, name, step))" + (" WITHOUT ROWID" if is_sqlite else "")
    )
    db.execute_sql("ALTER TABLE job ADD COLUMN metrics_read_to BIGINT NOT NULL DEFAULT 0")
    db.execute_sql("ALTER TABLE job ADD COLUMN metrics_unnumbered BIGINT NOT NULL DEFAULT 0")
