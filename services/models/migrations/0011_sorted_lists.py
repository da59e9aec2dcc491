"""Indexes for lists by name and by size: a row's size lies behind its metrics, which may be megabytes."""

from peewee import SQL


def up(migrator, db):
    for name in ("name", "total_size"):
        db.execute(SQL(f"CREATE INDEX model_{name}_id ON model ({name}, id)"))
