"""The repository id that a model was given at its creation; the others go by their number."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE model ADD COLUMN own_repo_id VARCHAR(96)")
    db.execute_sql("CREATE UNIQUE INDEX model_own_repo_id ON model (own_repo_id)")
