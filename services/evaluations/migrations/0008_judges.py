"""The verdicts of judges."""


def up(migrator, db):
    for column in (
        "judge_base_first VARCHAR(255)",
        "judge_tuned_first VARCHAR(255)",
        "judge_error VARCHAR(255)",
        "judge_input_tokens INTEGER",
        "judge_output_tokens INTEGER",
    ):
        db.execute_sql(f"ALTER TABLE example ADD COLUMN {column}")
