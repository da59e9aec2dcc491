"""Archives are planned from their manifest, and a checksum process that is killed starts its file again."""


def up(migrator, db):
    db.execute_sql("DROP TABLE packed_plan")
    db.execute_sql("DROP INDEX file_unknown")
    migrator.migrate(
        migrator.drop_column("file", "read_bytes"),
        migrator.drop_column("file", "crc32_so_far"),
        migrator.drop_column("file", "sha256_so_far"),
    )
