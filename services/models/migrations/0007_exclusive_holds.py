"""The file that a hold is of, and whether nobody else may change it meanwhile."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE hold ADD COLUMN path TEXT")
    db.execute_sql("ALTER TABLE hold ADD COLUMN exclusive BOOLEAN NOT NULL DEFAULT FALSE")
