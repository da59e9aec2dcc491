"""An index of the ended jobs that still have their logs, by their end."""


def up(migrator, db):
    db.execute_sql("CREATE INDEX job_kept ON job (completed_at) WHERE log_expired_at IS NULL")
