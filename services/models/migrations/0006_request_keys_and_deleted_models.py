"""The idempotency key of a model's creation, and where the objects of deleted models lie."""


def up(migrator, db):
    for column in ("request_key VARCHAR(255)", "request_digest VARCHAR(255)"):
        db.execute_sql(f"ALTER TABLE model ADD COLUMN {column}")
    db.execute_sql("CREATE UNIQUE INDEX model_request_key ON model (request_key)")
    db.execute_sql("CREATE TABLE deleted_model (id BIGINT NOT NULL PRIMARY KEY, storage_path TEXT NOT NULL)")
