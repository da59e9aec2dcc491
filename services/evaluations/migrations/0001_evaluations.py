"""Evaluations, their examples, and the test sets."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    FloatField,
    IntegerField,
    Model,
    TextField,
)

from shared.database.migrations import never_reused


def up(migrator, db):
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Evaluation(Table):
        id = BigAutoField(constraints=never_reused(db))
        model_id = BigIntegerField()
        test_set_path = TextField()
        base_model_name = CharField()
        fine_tuned_name = CharField()
        fine_tuned_served_name = CharField()
        status = CharField()
        results = TextField(null=True)
        error = TextField(null=True)
        created_at = BigIntegerField()
        started_at = BigIntegerField(null=True)
        completed_at = BigIntegerField(null=True)
        test_set_sha256 = CharField(null=True)
        total = IntegerField(null=True)
        done = IntegerField()
        errors = IntegerField()
        lease_token = CharField(null=True)
        leased_until = BigIntegerField(null=True)
        eval_results_due = BigIntegerField(null=True)
        eval_results_attempts = IntegerField()

        class Meta:
            indexes = (
                (("created_at", "id"), False),
                (("model_id", "created_at", "id"), False),
                (("status", "created_at", "id"), False),
                (("eval_results_due",), False),
            )

    class Example(Table):
        evaluation_id = BigIntegerField()
        row = BigIntegerField()
        input = TextField()
        expected = TextField()
        base_model_output = TextField(null=True)
        base_model_correct = BooleanField(null=True)
        base_model_error = CharField(null=True)
        base_model_ms = FloatField(null=True)
        fine_tuned_output = TextField(null=True)
        fine_tuned_correct = BooleanField(null=True)
        fine_tuned_error = CharField(null=True)
        fine_tuned_ms = FloatField(null=True)
        done = BooleanField()
        winner = CharField(null=True)
        error = CharField(null=True)
        error_message = TextField(null=True)

        class Meta:
            primary_key = CompositeKey("evaluation_id", "row")
            indexes = (
                (("evaluation_id", "winner", "row"), False),
                (("evaluation_id", "error", "row"), False),
            )

    class TestSet(Table):
        name = CharField(primary_key=True)
        size = BigIntegerField()
        rows = IntegerField()
        labels = TextField(null=True)
        sha256 = CharField()
        created_at = BigIntegerField()

    db.create_tables([Evaluation, Example, TestSet])
