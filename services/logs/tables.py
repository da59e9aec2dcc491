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
    status = CharField()
    configuration = JSONField()
    kernel = TextField(null=True)
    last_line = BigIntegerField(default=0)
    """The number of the job's newest line; whoever adds lines holds this row, so numbers have no hole."""
    created_at = TimeField()
    started_at = TimeField(null=True)
    completed_at = TimeField(null=True)
    has_keys = BooleanField(default=True)
    """Until the job's idempotency keys are forgotten, some time after its end."""
    log_expired_at = TimeField(null=True)
    """When its lines were deleted; it takes no more of them."""
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
