"""Tables that were filled before a migration"""

import shutil

from services.models.tables import MIGRATIONS, File
from shared.database.migrations import migrate


def test_files_from_before_keep_what_was_known_of_them(new_database, database_kind, tables, tmp_path):
    shutil.copy(MIGRATIONS / "0001_models_and_files.py", tmp_path)
    with tables(new_database(database_kind)) as database:
        assert migrate(database, tmp_path) == ["0001_models_and_files"]
        columns = "model_id, path, folded, size, etag, crc32, sha256"
        database.execute_sql(
            f"INSERT INTO file ({columns}) VALUES (1, 'a', 'a', 5, 'e', 6, 's'), (1, 'b', 'b', 5, 'e', 6, NULL)"
        )
        assert migrate(database, MIGRATIONS)[0] == "0002_uploads"
        known, unread = File.select().order_by(File.id)
    assert (known.crc32, known.sha256, known.announced_sha256) == (6, "s", None)
    assert (unread.crc32, unread.sha256, unread.announced_sha256) == (6, None, None)
