"""Connections of the pool: given back, shared within a block, renewed where the database closed them"""

import sqlite3
import threading
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest

from shared.database import connect, sqlite
from shared.database.connect import POOL_SIZE, connected_to, connection, open_database
from shared.database.postgresql import PostgresqlDatabase
from shared.errors import Unavailable
from shared.settings import SettingsError
from tests.support.databases import only_on
from tests.support.pipe import Pipe


def test_it_works(opened, item):
    with connection(opened), opened.atomic():
        item.create(text="a")
    with connection(opened):
        assert [row.text for row in item.select()] == ["a"]
    assert opened.is_closed()


def test_a_block_within_a_block_has_the_same_connection(opened):
    @connected_to(opened)
    def inner():
        return opened.connection()

    with connection(opened):
        outer = opened.connection()
        assert inner() is outer
        assert not opened.is_closed()


def test_connections_go_back_to_the_pool(opened, item):
    def use():
        for _ in range(5):
            with connection(opened):
                item.select().count()

    threads = [threading.Thread(target=use) for _ in range(POOL_SIZE - 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    use()


def test_none_is_left_where_all_are_in_use(new_database, database_kind, monkeypatch):
    monkeypatch.setattr(connect, "POOL_SIZE", 1)
    monkeypatch.setattr(connect, "POOL_WAIT_S", 0.1)
    opened, errors = open_database(new_database(database_kind)), []

    def use():
        try:
            with connection(opened):
                pass
        except Unavailable as error:
            errors.append(error.message)

    with connection(opened):
        other = threading.Thread(target=use)
        other.start()
        other.join()
    assert errors == ["Every database connection is in use."]
    use()
    assert len(errors) == 1
    opened.close_all()


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite://host/a.db", "postgresql://host", "a.db", "postgresql://[h/d"]
)
def test_it_rejects_another_url(url):
    with pytest.raises(SettingsError, match="^DATABASE_URL: must be sqlite"):
        open_database(url)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "postgresql://u:secret@h:port/d"])
def test_it_rejects_another_url_without_showing_its_password(url):
    with pytest.raises(SettingsError, match="^DATABASE_URL: must be sqlite") as refused:
        open_database(url)
    assert "secret" not in str(refused.value)


def test_a_path_may_have_any_character(tmp_path):
    opened = open_database(f"sqlite:///{tmp_path}/a%20b%23%C3%A9.db")
    with connection(opened):
        opened.execute_sql("SELECT 1")
    opened.close_all()
    assert [path.name for path in tmp_path.glob("*.db")] == ["a b#é.db"]


class TestRestart:
    """PostgreSQL closes every connection that waits in the pool."""

    pytestmark = only_on("postgresql")

    @pytest.fixture
    def restarted(self, opened, item, postgres):
        """Fill the pool, then have the server close what is in it."""
        blocks = [threading.Thread(target=self.hold, args=(opened, barrier)) for barrier in [threading.Barrier(3)] * 3]
        for block in blocks:
            block.start()
        for block in blocks:
            block.join()
        database = opened.database
        server_uri = postgres.get_uri()
        with psycopg.connect(server_uri, autocommit=True) as server:
            closed = server.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s", (database,)
            ).fetchone()
        assert closed[0] >= 3

    @staticmethod
    def hold(opened, barrier):
        with connection(opened):
            opened.execute_sql("SELECT 1")
            barrier.wait(10)

    def test_a_read_goes_again_on_a_fresh_connection(self, restarted, opened, item):
        for _ in range(4):  # whichever of the pool it was
            with connection(opened):
                assert item.select().count() == 0

    def test_a_transaction_begins_on_a_fresh_connection(self, restarted, opened, item):
        for number in range(4):
            with connection(opened), opened.atomic():
                item.create(text=str(number))
        with connection(opened):
            assert item.select().count() == 4

    def test_a_write_outside_of_one_is_not_done_twice(self, restarted, opened, item):
        failed = 0
        for number in range(4):
            try:
                with connection(opened):
                    item.create(text=str(number))
            except Unavailable:
                failed += 1
        with connection(opened):
            assert item.select().count() == 4 - failed

    def test_a_transaction_that_was_cut_is_an_error_and_the_next_one_works(self, opened, item, postgres):
        def write():
            with opened.atomic():
                item.create(text="lost")
                pid = opened.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
                with psycopg.connect(postgres.get_uri(), autocommit=True) as server:
                    server.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
                item.create(text="also lost")

        with connection(opened), pytest.raises(Unavailable):
            write()
        with connection(opened), opened.atomic():
            item.create(text="kept")
        with connection(opened):
            assert [row.text for row in item.select()] == ["kept"]


class TestSilence:
    """PostgreSQL takes what it is sent and answers nothing."""

    pytestmark = only_on("postgresql")

    @pytest.fixture
    def pipe(self, database_kind, postgres):
        return Pipe(str(next(Path(postgres.get_uri().partition("host=")[2]).glob(".s.PGSQL.*[0-9]"))))

    @pytest.fixture
    def behind(self, pipe, new_database, monkeypatch):
        monkeypatch.setattr(PostgresqlDatabase, "query_timeout_s", 0.5)
        name = new_database("postgresql").partition("?")[0].rpartition("/")[2]
        behind = open_database(f"postgresql://postgres@127.0.0.1:{pipe.port}/{name}")
        yield behind
        behind.close_all()

    @pytest.mark.parametrize("is_transaction", [False, True])
    def test_it_is_waited_for_once(self, behind, pipe, is_transaction):
        """Not again on another connection: whoever asked has given up by then."""
        with connection(behind):
            behind.execute_sql("SELECT 1")
            pipe.hang()
            with pytest.raises(Unavailable), behind.atomic() if is_transaction else nullcontext():
                behind.execute_sql("SELECT 1")
        assert pipe.accepted == 1
        pipe.cut()
        pipe.mend()
        with connection(behind):
            assert behind.execute_sql("SELECT 1").fetchone() == (1,)

    def test_the_next_answer_is_waited_for_briefly(self, behind, pipe, monkeypatch):
        """A request that tidies up after its first silence would wait as long once more."""

        def query():
            with connection(behind):
                behind.execute_sql("SELECT 1")

        with connection(behind):
            behind.execute_sql("SELECT 1")
            second = threading.Thread(target=query)  # on a connection of its own
            second.start()
            second.join()
        pipe.hang()
        with pytest.raises(Unavailable):
            query()
        monkeypatch.setattr(PostgresqlDatabase, "query_timeout_s", 600.0)
        with pytest.raises(Unavailable):
            query()
        assert pipe.accepted == 2
        pipe.cut()
        pipe.mend()
        query()
        assert behind.answer_timeout_s() == 600.0


class TestLock:
    """SQLite's one write lock, held by another process."""

    pytestmark = only_on("sqlite")

    @pytest.fixture
    def other(self, opened, item):
        other = sqlite3.connect(opened.database, isolation_level=None, check_same_thread=False)
        yield other
        other.close()

    def test_a_writer_waits_for_it(self, opened, item, other):
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
        release.start()
        with connection(opened), opened.atomic():
            item.create(text="a")
        release.join()

    def test_it_is_an_error_where_it_stays(self, opened, item, other, monkeypatch):
        monkeypatch.setattr(sqlite, "LOCK_WAIT_S", 0.2)
        other.execute("BEGIN IMMEDIATE")
        with connection(opened):
            assert item.select().count() == 0  # readers go on
            with pytest.raises(Unavailable, match="locked"), opened.atomic():
                item.create(text="a")
        other.execute("ROLLBACK")
        with connection(opened), opened.atomic():
            item.create(text="b")

    def test_a_full_disk_is_an_error_and_the_next_write_works(self, opened, item):
        with connection(opened):
            pages = opened.execute_sql("PRAGMA page_count").fetchone()[0]
            opened.execute_sql(f"PRAGMA max_page_count = {pages + 2}")
            with pytest.raises(Unavailable, match="full"), opened.atomic():
                item.create(text="x" * 10**6)
            opened.execute_sql("PRAGMA max_page_count = 1000000")
            with opened.atomic():
                item.create(text="small")
            assert [row.text for row in item.select()] == ["small"]
