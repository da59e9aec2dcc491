"""Content that a push brings by its SHA-256, before a commit says where it belongs."""

from peewee import BigAutoField, BigIntegerField, CharField, Model, TextField

from shared.database.migrations import never_reused


def up(migrator, db):
    class StagedObject(Model):
        id = BigAutoField(constraints=never_reused(db))
        model_id = BigIntegerField()
        sha256 = CharField()
        size = BigIntegerField()
        part_size = BigIntegerField()
        key = TextField()
        store_id = TextField()
        etag = CharField(null=True)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            legacy_table_names = False
            indexes = ((("model_id", "sha256"), False),)

    db.create_tables([StagedObject])
