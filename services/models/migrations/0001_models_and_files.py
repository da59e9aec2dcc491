"""Models, their files, what is made for their archives, and the holds of uploads under way."""

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    Model,
    SqliteDatabase,
    TextField,
)

from shared.database.migrations import never_reused


def up(migrator, db):
    # Paths are sorted and searched by their bytes; SQLite does so unless told otherwise.
    bytewise = None if isinstance(db, SqliteDatabase) else '"C"'

    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Model_(Table):
        id = BigAutoField(constraints=never_reused(db))
        name = CharField()
        description = TextField()
        base_model = CharField()
        type = CharField()
        job_id = BigIntegerField(null=True)
        served_name = CharField()
        storage_path = TextField(collation=bytewise, index=True)
        lora_adapters_path = TextField()
        gguf_path = TextField()
        training_metrics = TextField()
        eval_results = TextField(null=True)
        status = CharField()
        total_size = BigIntegerField()
        revision = BigIntegerField()
        created_at = BigIntegerField()
        updated_at = BigIntegerField()

        class Meta:
            table_name = "model"
            indexes = (
                (("created_at", "id"), False),
                (("base_model", "created_at", "id"), False),
                (("status", "created_at", "id"), False),
                (("job_id", "created_at", "id"), False),
                (("type", "created_at", "id"), False),
            )

    class File(Table):
        id = BigAutoField(constraints=never_reused(db))
        model_id = BigIntegerField()
        path = TextField(collation=bytewise)
        folded = TextField(collation=bytewise)
        size = BigIntegerField()
        etag = CharField()
        crc32 = BigIntegerField(null=True)
        sha256 = CharField(null=True)
        error = TextField(null=True)
        holder = CharField(null=True)
        held_until = BigIntegerField(null=True)

        class Meta:
            indexes = ((("model_id", "path"), True), (("model_id", "folded"), False))

    # The work of the checksum process: empty most of the time, however many files there are.
    File.add_index(File.index(File.id, where=SQL("sha256 IS NULL AND error IS NULL"), name="file_unread"))

    class Generated(Table):
        model_id = BigIntegerField()
        path = CharField()
        content = TextField()

        class Meta:
            primary_key = CompositeKey("model_id", "path")

    class Hold(Table):
        id = BigAutoField(constraints=never_reused(db))
        model_id = BigIntegerField(index=True)
        held_until = BigIntegerField()

    db.create_tables([Model_, File, Generated, Hold])
