"""Files that a push announces, and parts of staged content that a commit puts together."""

from peewee import BigAutoField, BigIntegerField, Model, TextField

from shared.database.migrations import never_reused


def up(migrator, db):
    class AnnouncedFile(Model):
        id = BigAutoField(constraints=never_reused(db))
        model_id = BigIntegerField()
        path = TextField()
        size = BigIntegerField()
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            legacy_table_names = False
            indexes = ((("model_id", "size"), False),)

    db.create_tables([AnnouncedFile])
    db.execute_sql("ALTER TABLE staged_object ADD COLUMN parts TEXT")
