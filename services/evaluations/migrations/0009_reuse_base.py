"""Evaluations that take the base's answers over from an earlier one."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE evaluation ADD COLUMN reuse_base BOOLEAN NOT NULL DEFAULT FALSE")
