"""Indexes that hold every column a list can be filtered by: any filters together are looked up in one of them alone."""

from peewee import SQL

# The most telling comes last: between indexes that look alike SQLite takes the one that was made last.
_FILTERS = ("status", "type", "base_model", "job_id")


def up(migrator, db):
    for name in _FILTERS:
        others = [other for other in _FILTERS if other != name]
        migrator.migrate(migrator.drop_index("model", f"model_{name}_created_at_id"))
        columns = ", ".join((name, "created_at", "id", *others))
        db.execute(SQL(f"CREATE INDEX model_by_{name} ON model ({columns})"))
    # Nearly every model may have the same: for counting them the smallest index is the fastest.
    for name in ("status", "type"):
        db.execute(SQL(f"CREATE INDEX model_count_{name} ON model ({name})"))
