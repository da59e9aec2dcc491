"""How an evaluation is scored, how often it was retried, and what its results rest on."""


def up(migrator, db):
    # SQL that both databases have: peewee's own way to a column that is not null writes SQLite's table anew.
    for column in (
        "scoring VARCHAR(255)",
        "extract_label BOOLEAN NOT NULL DEFAULT FALSE",
        "max_error_rate DOUBLE PRECISION NOT NULL DEFAULT 0.05",
        "retried INTEGER NOT NULL DEFAULT 0",
        "taken_at BIGINT",
        "taken_done INTEGER NOT NULL DEFAULT 0",
        "manifest_digest VARCHAR(255)",
        "provenance TEXT",
    ):
        db.execute_sql(f"ALTER TABLE evaluation ADD COLUMN {column}")
