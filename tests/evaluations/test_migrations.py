"""What was stored before a migration is there after it."""

from playhouse.migrations import Runner

from services.evaluations.tables import MIGRATIONS, Evaluation, database
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate

COLUMNS = "model_id, test_set_path, base_model_name, fine_tuned_name, fine_tuned_served_name, status, created_at"


def test_an_evaluation_of_the_first_release_is_scored_by_the_defaults(new_database, database_kind):
    opened = open_database(new_database(database_kind))
    with connection(opened):
        Runner(opened, str(MIGRATIONS)).up("0001_evaluations")
        opened.execute_sql(
            f"INSERT INTO evaluation ({COLUMNS}, done, errors, eval_results_attempts) "
            "VALUES (1, 'datasets/a', 'b', 't', 't', 'pending', 0, 0, 0, 0)"
        )

    assert migrate(opened, MIGRATIONS)[0] == "0002_trusted"

    database.initialize(opened)
    with connection(opened):
        found = Evaluation.get()
        assert (found.scoring, found.extract_label, found.max_error_rate, found.retried) == (None, False, 0.05, 0)
        assert (found.taken_at, found.taken_answers, found.manifest_digest, found.provenance) == (None, 0, None, None)
        found.done = 1
        found.save()
    opened.close_all()


def test_the_answers_of_an_evaluation_that_is_not_over_are_counted(new_database, database_kind):
    opened = open_database(new_database(database_kind))
    with connection(opened):
        Runner(opened, str(MIGRATIONS)).up("0009_reuse_base")
        for number, scoring in ((1, "text"), (2, "judge")):
            opened.execute_sql(
                f"INSERT INTO evaluation (id, {COLUMNS}, scoring, done, errors, eval_results_attempts) "
                f"VALUES ({number}, 1, 'datasets/a', 'b', 't', 't', 'running', 0, '{scoring}', 1, 1, 0)"
            )
            answers = ("'a', NULL, TRUE, 'x'", "'a', NULL, FALSE, NULL", "NULL, 'timeout', FALSE, NULL")
            for row, values in enumerate(answers):
                opened.execute_sql(
                    'INSERT INTO example (evaluation_id, "row", input, expected, base_model_output, base_model_error, '
                    f"done, fine_tuned_output) VALUES ({number}, {row}, 'i', 'e', {values})"
                )

    assert migrate(opened, MIGRATIONS) == ["0010_answers"]

    database.initialize(opened)
    with connection(opened):
        found = [(each.answers, each.taken_answers) for each in Evaluation.select().order_by(Evaluation.id)]
        assert found == [(4, 4), (5, 5)]
    opened.close_all()
