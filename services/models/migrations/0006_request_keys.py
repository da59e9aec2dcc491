"""The idempotency key of a model's creation."""


def up(migrator, db):
    for column in ("request_key VARCHAR(255)", "request_digest VARCHAR(255)"):
        db.execute_sql(f"ALTER TABLE model ADD COLUMN {column}")
    db.execute_sql("CREATE UNIQUE INDEX model_request_key ON model (request_key)")
