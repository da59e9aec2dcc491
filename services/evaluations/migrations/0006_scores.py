"""Rules with parameters, graded scores, and evaluations that score the answers of another."""


def up(migrator, db):
    for column in ("scoring_parameters TEXT", "answers_of BIGINT"):
        db.execute_sql(f"ALTER TABLE evaluation ADD COLUMN {column}")
    for role in ("base_model", "fine_tuned"):
        db.execute_sql(f"ALTER TABLE example ADD COLUMN {role}_score DOUBLE PRECISION")
