"""The tables of the logs service."""

from __future__ import annotations

from pathlib import Path

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    DatabaseProxy,
    DoubleField,
    IntegerField,
    Model,
    SmallIntegerField,
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


class Job(_Table):
    id = BigAutoField()
    dataset_id = BigIntegerField()
    """0 where the job has none: SQLite makes no column nullable without making the table anew."""
    name = CharField(null=True)
    status = CharField()
    configuration = JSONField()
    kernel = TextField(null=True)
    last_seen_at = TimeField(null=True)
    """When its kernel was last heard of: a line, a metric, or a claim."""
    heartbeat_s = IntegerField(null=True)
    """How often its kernel promised to be heard of."""
    progress = DoubleField(null=True)
    """From 0 to 1, as its kernel says."""
    error = TextField(null=True)
    """Why it failed, in short."""
    last_line = BigIntegerField(default=0)
    """The number of the job's newest line; whoever adds lines holds this row, so numbers have no hole."""
    created_at = TimeField()
    started_at = TimeField(null=True)
    completed_at = TimeField(null=True)
    has_keys = BooleanField(default=True)
    """Until the job's idempotency keys are forgotten, some time after its end."""
    log_expired_at = TimeField(null=True)
    """When its lines were deleted; it takes no more of them."""
    metrics_read_to = BigIntegerField(default=0)
    """The last line that was read for metrics; whoever moves it on stores what the lines up to there say."""
    metrics_unnumbered = BigIntegerField(default=0)
    """How many of these lines had metrics and no step: the next one's step follows."""
    request_key = CharField(null=True)
    request_digest = CharField(null=True)


class Line(_Table):
    """One log line; its id is its number within the job, and the cursor of every reader."""

    job_id = BigIntegerField()
    id = BigIntegerField()
    level = SmallIntegerField()
    source = TextField()
    message = TextField()
    timestamp = BigIntegerField()
    """Microseconds since 1970 in UTC, bare: a datetime for each line would cost more than the rest of a read."""

    class Meta:
        primary_key = CompositeKey("job_id", "id")


class Metric(_Table):
    """A metric's value at a step, from one of the sources in ``metrics.points``."""

    job_id = BigIntegerField()
    source = SmallIntegerField()
    name = TextField()
    """On PostgreSQL in the collation "C": both databases sort by the UTF-8 bytes."""
    step = BigIntegerField()
    value = DoubleField(null=True)
    """NULL is NaN: SQLite makes that of it."""
    timestamp = BigIntegerField()
    """Microseconds since 1970 in UTC, bare, as a line's."""
    line = BigIntegerField(null=True)
    """The number of the line that says it."""

    class Meta:
        primary_key = CompositeKey("job_id", "source", "name", "step")


class Entry(_Table):
    """A name and a text that a job's training reported; a table for each kind."""

    job_id = BigIntegerField()
    name = CharField()
    value = TextField()

    class Meta:
        primary_key = CompositeKey("job_id", "name")


class Parameter(Entry):
    """A parameter of a job's training: text, like the values of all parameters."""


class Tag(Entry):
    """A tag that a job's training set."""


class IdempotencyKey(_Table):
    """A key, and what was stored under it, so that a repeat gets the first answer and adds nothing."""

    job_id = BigIntegerField()
    key = CharField()
    digest = CharField()
    single = BooleanField()
    first_id = BigIntegerField()
    count = IntegerField()
    created_at = TimeField()

    class Meta:
        primary_key = CompositeKey("job_id", "key")
