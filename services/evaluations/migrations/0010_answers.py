"""The answers that are stored: a row counts as done at the last of them only. `taken_done` is the former code's."""

_STORED = " + ".join(
    f"SUM(CASE WHEN {role}_output IS NOT NULL OR {role}_error IS NOT NULL THEN 1 ELSE 0 END)"
    for role in ("base_model", "fine_tuned")
)


def up(migrator, db):
    for column in ("answers", "taken_answers"):
        db.execute_sql(f"ALTER TABLE evaluation ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute_sql(
        "UPDATE evaluation SET answers = "
        f"COALESCE((SELECT {_STORED} FROM example WHERE evaluation_id = evaluation.id), 0)"
        " + CASE WHEN scoring = 'judge' THEN done ELSE 0 END WHERE status IN ('pending', 'running')"
    )
    db.execute_sql("UPDATE evaluation SET taken_answers = answers WHERE status IN ('pending', 'running')")
