"""What a job's training says of itself beside its metrics: parameters and tags."""

from peewee import SqliteDatabase


def up(migrator, db):
    without_rowid = " WITHOUT ROWID" if isinstance(db, SqliteDatabase) else ""
    for table in ("parameter", "tag"):
        db.execute_sql(
            f"CREATE TABLE {table} (job_id BIGINT NOT NULL, name VARCHAR(255) NOT NULL, value TEXT NOT NULL, "
            f"PRIMARY KEY (job_id, name)){without_rowid}"
        )
