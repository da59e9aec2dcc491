"""Bases that are models of ours, or none; and the ranking of a test set, which looks evaluations up by it."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE evaluation ADD COLUMN base_model_id BIGINT")
    db.execute_sql(
        "CREATE INDEX evaluation_test_set_path_status_created_at_id "
        "ON evaluation (test_set_path, status, created_at, id)"
    )
