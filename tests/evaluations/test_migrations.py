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
        assert (found.taken_at, found.taken_done, found.manifest_digest, found.provenance) == (None, 0, None, None)
        found.done = 1
        found.save()
    opened.close_all()
