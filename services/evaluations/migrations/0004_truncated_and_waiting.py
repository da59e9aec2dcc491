"""What a run waits for, and of each answer whether it was cut, its tokens, and its own error."""

_ROLES = ("base_model", "fine_tuned")
_OF_ANSWERS = ("message TEXT", "truncated BOOLEAN", "input_tokens INTEGER", "output_tokens INTEGER")


def up(migrator, db):
    for column in (
        "allow_same_model BOOLEAN NOT NULL DEFAULT FALSE",
        "truncated INTEGER NOT NULL DEFAULT 0",
        "message TEXT",
        "waiting_since BIGINT",
        "warnings TEXT",
    ):
        db.execute_sql(f"ALTER TABLE evaluation ADD COLUMN {column}")
    for column in (f"{role}_{column}" for role in _ROLES for column in _OF_ANSWERS):
        db.execute_sql(f"ALTER TABLE example ADD COLUMN {column}")
