"""The idempotency key of an evaluation's creation."""


def up(migrator, db):
    for column in ("request_key VARCHAR(255)", "request_digest VARCHAR(255)"):
        db.execute_sql(f"ALTER TABLE evaluation ADD COLUMN {column}")
    db.execute_sql("CREATE UNIQUE INDEX evaluation_request_key ON evaluation (request_key)")
