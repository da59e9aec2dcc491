"""Migrations: applied once, checked by the services, and primary keys that no row gets twice"""

import threading

import pytest
from peewee import DatabaseProxy

from shared.database.connect import connection, open_database
from shared.database.migrations import migrate, require_migrated
from shared.errors import Unavailable

FIRST = """
from peewee import BigAutoField, Model
from shared.database.migrations import never_reused


def up(migrator, db):
    class Thing(Model):
        id = BigAutoField(constraints=never_reused(db))

        class Meta:
            database = db

    db.create_tables([Thing])
"""
SECOND = """
def up(migrator, db):
    db.execute_sql("ALTER TABLE thing ADD COLUMN name TEXT")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_things.py").write_text(FIRST)
    return tmp_path


def test_it_works(opened, folder):
    assert migrate(opened, folder) == ["0001_things"]
    assert migrate(opened, folder) == []
    (folder / "0002_names.py").write_text(SECOND)
    assert migrate(opened, folder) == ["0002_names"]


def test_a_service_says_what_is_pending(opened, folder):
    with pytest.raises(Unavailable, match="0001_things is pending"):
        require_migrated(opened, folder)
    migrate(opened, folder)
    require_migrated(opened, folder)
    (folder / "0002_names.py").write_text(SECOND)
    with pytest.raises(Unavailable, match=": 0002_names is pending"):
        require_migrated(opened, folder)


def test_an_id_is_never_used_twice(opened, folder):
    migrate(opened, folder)
    with connection(opened):
        opened.execute_sql("INSERT INTO thing DEFAULT VALUES")
        opened.execute_sql("DELETE FROM thing")
        opened.execute_sql("INSERT INTO thing DEFAULT VALUES")
        assert opened.execute_sql("SELECT id FROM thing").fetchall() == [(2,)]


def test_through_a_proxy_it_makes_the_same_tables(new_database, database_kind, folder):
    """Migrations ask which database they are on."""
    opened = open_database(new_database(database_kind))
    proxy = DatabaseProxy()
    proxy.initialize(opened)
    (folder / "0002_kind.py").write_text(
        "def up(migrator, db):\n    assert type(db).__name__ in ('SqliteDatabase', 'PostgresqlDatabase')\n"
    )
    assert migrate(proxy, folder)[-1] == "0002_kind"
    opened.close_all()


def test_several_that_migrate_at_once_apply_it_once(new_database, folder):
    url, applied = new_database("postgresql"), []

    def set_up():
        own = open_database(url)  # as a process of its own has it
        applied.extend(migrate(own, folder))
        own.close_all()

    threads = [threading.Thread(target=set_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert applied == ["0001_things"]
