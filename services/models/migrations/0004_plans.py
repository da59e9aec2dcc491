"""The plan of each model's archive, and an index that tells whether a model has a file without checksums."""

from peewee import SQL, BigIntegerField, BlobField, CharField, Model


def up(migrator, db):
    class PackedPlan(Model):
        model_id = BigIntegerField(primary_key=True)
        revision = BigIntegerField()
        packing = CharField()
        etag = CharField()
        length = BigIntegerField()
        columns = BlobField()

        class Meta:
            database = db
            legacy_table_names = False

    db.create_tables([PackedPlan])
    db.execute(SQL("CREATE INDEX file_unknown ON file (model_id) WHERE sha256 IS NULL"))
