"""Jobs, their lines, and the idempotency keys of batches."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
    Model,
    SmallIntegerField,
    SqliteDatabase,
    TextField,
)

from shared.database.migrations import never_reused


def up(migrator, db):
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Job(Table):
        id = BigAutoField(constraints=never_reused(db))
        dataset_id = BigIntegerField()
        status = CharField()
        configuration = TextField()
        kernel = TextField(null=True)
        last_line = BigIntegerField()
        created_at = BigIntegerField()
        started_at = BigIntegerField(null=True)
        completed_at = BigIntegerField(null=True)

        class Meta:
            indexes = (
                (("created_at", "id"), False),
                (("status", "created_at", "id"), False),
                (("dataset_id", "created_at", "id"), False),
            )

    class Line(Table):
        job_id = BigIntegerField()
        id = BigIntegerField()
        level = SmallIntegerField()
        source = TextField()
        message = TextField()
        timestamp = BigIntegerField()

        class Meta:
            primary_key = CompositeKey("job_id", "id")
            # The table is its own index: a line is one entry in one tree, and a page one walk along it.
            without_rowid = isinstance(db, SqliteDatabase)

    class Batch(Table):
        job_id = BigIntegerField()
        key = CharField()
        digest = CharField()
        single = BooleanField()
        first_id = BigIntegerField()
        count = IntegerField()
        created_at = BigIntegerField()

        class Meta:
            primary_key = CompositeKey("job_id", "key")

    db.create_tables([Job, Line, Batch])
