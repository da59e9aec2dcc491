"""The tables of the evaluations service."""

from __future__ import annotations

from pathlib import Path

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    DatabaseProxy,
    FloatField,
    IntegerField,
    Model,
    TextField,
)

from shared.database.connect import connected_to
from shared.database.fields import JSONField, TimeField

MIGRATIONS = Path(__file__).parent / "migrations"

database = DatabaseProxy()
connected = connected_to(database)


class _Table(Model):
    class Meta:
        database = database
        legacy_table_names = False
        only_save_dirty = True


class Evaluation(_Table):
    id = BigAutoField()
    model_id = BigIntegerField()
    test_set_path = TextField()
    base_model_name = CharField()
    """Empty where there is no base: SQLite cannot let a column be null that once was not."""
    base_model_id = BigIntegerField(null=True)
    """The base, where it is a model of ours."""
    fine_tuned_name = CharField()
    fine_tuned_served_name = CharField()
    status = CharField()
    results = JSONField(null=True)
    error = TextField(null=True)
    scoring = CharField(null=True)
    """The rule that was asked for; None leaves it to the test set."""
    scoring_parameters = JSONField(null=True)
    """What the rule takes: ``tolerance``, ``fields``."""
    extract_label = BooleanField(default=False)
    answers_of = BigIntegerField(null=True)
    """The evaluation whose stored answers are scored, in the place of new ones."""
    max_error_rate = FloatField(default=0.05)
    """Of the rows, 0 to 1: more in error and the evaluation says nothing, and fails."""
    prompt = JSONField(null=True)
    """How rows are asked: ``system``, ``template``, ``examples``, ``examples_from``; None for the default."""
    generation = JSONField(null=True)
    """Parameters of the generation, for both models or each."""
    allow_same_model = BooleanField(default=False)
    """Both names may be answered by one model."""
    reuse_base = BooleanField(default=False)
    """The base's answers are taken over from an earlier evaluation that asked the same."""
    retried = IntegerField(default=0)
    """The rows that were in error and asked again."""
    created_at = TimeField()
    started_at = TimeField(null=True)
    completed_at = TimeField(null=True)
    request_key = CharField(null=True)
    request_digest = CharField(null=True)
    test_set_sha256 = CharField(null=True)
    """Of the set as the worker first read it; with the index in the set this is what a row is known by."""
    total = IntegerField(null=True)
    """The rows of the set; ``done`` of them have both answers, or an error in the place of one."""
    done = IntegerField(default=0)
    errors = IntegerField(default=0)
    answers = IntegerField(default=0)
    """The answers stored, a judge's verdict on a row among them; a row in error waits for none and counts as judged."""
    truncated = IntegerField(default=0)
    """The rows in which a generation was cut at its greatest length."""
    message = TextField(null=True)
    """What a running evaluation waits for, since ``waiting_since``."""
    waiting_since = TimeField(null=True)
    warnings = JSONField(null=True)
    """Of the test set, known before the first answer; a list of sentences."""
    taken_at = TimeField(null=True)
    """When the present worker began, with ``taken_answers`` that it did not have to ask for."""
    taken_answers = IntegerField(default=0)
    manifest_digest = CharField(null=True)
    """Of the model's files as they were; None while their checksums are not known."""
    provenance = JSONField(null=True)
    """How our worker asked; None where it did not."""
    lease_token = CharField(null=True)
    """The worker's whose writes count; a writer whose token is no longer here drops its result."""
    leased_until = TimeField(null=True)
    eval_results_due = TimeField(null=True)
    """When the models service is next sent the results; None where it has them, or there are none."""
    eval_results_attempts = IntegerField(default=0)

    @property
    def names(self) -> dict[str, str]:
        """By role the name by which the inference server knows the model; without a base ``fine_tuned`` alone."""
        base = {"base_model": self.base_model_name} if self.base_model_name else {}
        return base | {"fine_tuned": self.fine_tuned_served_name}

    @property
    def roles(self) -> tuple[str, ...]:
        """Both roles, or ``fine_tuned`` alone."""
        return tuple(self.names)

    def void_lease(self) -> None:
        """Take the evaluation from whichever worker has it; nobody waits for the inference server any more."""
        self.lease_token = self.leased_until = self.message = self.waiting_since = None


class Example(_Table):
    """A row of the test set with both models' answers, or an example of an external report."""

    evaluation_id = BigIntegerField()
    row = BigIntegerField()
    input = TextField()
    expected = TextField()
    base_model_output = TextField(null=True)
    base_model_correct = BooleanField(null=True)
    base_model_error = CharField(null=True)
    base_model_ms = FloatField(null=True)
    base_model_message = TextField(null=True)
    base_model_truncated = BooleanField(null=True)
    base_model_input_tokens = IntegerField(null=True)
    base_model_output_tokens = IntegerField(null=True)
    base_model_score = FloatField(null=True)
    fine_tuned_output = TextField(null=True)
    fine_tuned_correct = BooleanField(null=True)
    fine_tuned_error = CharField(null=True)
    fine_tuned_ms = FloatField(null=True)
    fine_tuned_message = TextField(null=True)
    fine_tuned_truncated = BooleanField(null=True)
    fine_tuned_input_tokens = IntegerField(null=True)
    fine_tuned_output_tokens = IntegerField(null=True)
    fine_tuned_score = FloatField(null=True)
    judge_base_first = CharField(null=True)
    """A judge's verdict, the winner or ``tie``, where the base's answer was shown first; then the other order's."""
    judge_tuned_first = CharField(null=True)
    judge_error = CharField(null=True)
    judge_input_tokens = IntegerField(null=True)
    """Of both orders."""
    judge_output_tokens = IntegerField(null=True)
    done = BooleanField()
    """Both models have an answer or an error; a row that waits for one is not shown yet."""
    winner = CharField(null=True)
    error = CharField(null=True)
    """The reason in one word, ``timeout``; ``error_message`` says it in full."""
    error_message = TextField(null=True)

    class Meta:
        primary_key = CompositeKey("evaluation_id", "row")


class TestSet(_Table):
    """The record of an uploaded test set."""

    name = CharField(primary_key=True)
    size = BigIntegerField()
    rows = IntegerField()
    labels = JSONField(null=True)
    """The distinct ``expected``; None where they are too many, or too long, to be labels."""
    classes = JSONField(null=True)
    """The rows of each of the labels."""
    duplicates = IntegerField(null=True)
    """The rows that ask what an earlier one does; None where they are too many to know."""
    fields = JSONField(null=True)
    """The names of the records' fields."""
    reading = JSONField(null=True)
    """Its format, and which fields are input and expected."""
    sha256 = CharField()
    created_at = TimeField()
