"""Uploads in parts, and how far the checksum process has read a file."""

from peewee import BigAutoField, BigIntegerField, CharField, Model, TextField

from shared.database.migrations import never_reused


def up(migrator, db):
    class Upload(Model):
        id = BigAutoField(constraints=never_reused(db))
        model_id = BigIntegerField(index=True)
        path = TextField()
        size = BigIntegerField()
        sha256 = CharField(null=True)
        part_size = BigIntegerField()
        key = TextField()
        store_id = TextField()
        etag = CharField(null=True)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            legacy_table_names = False

    db.create_tables([Upload])
    migrator.migrate(
        migrator.add_column("file", "announced_sha256", CharField(null=True)),
        migrator.add_column("file", "read_bytes", BigIntegerField(default=0)),
        migrator.add_column("file", "crc32_so_far", BigIntegerField(null=True)),
        migrator.add_column("file", "sha256_so_far", CharField(null=True)),
    )
