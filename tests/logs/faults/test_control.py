"""The scheme that we do not use loses lines: without that, the tests beside this one would guard against nothing."""

from contextlib import closing

import psycopg

from tests.support.databases import only_on


@only_on("postgresql")
def test_tailing_by_an_auto_increment_id_loses_lines(new_database, database_kind):
    """Ids are given out before the commit: a reader that has seen 2 never looks at a 1 that is committed later."""
    url = new_database(database_kind)
    with (
        closing(psycopg.connect(url, autocommit=True)) as reader,
        closing(psycopg.connect(url)) as slow,
        closing(psycopg.connect(url)) as quick,
    ):
        reader.execute("CREATE TABLE line (id bigserial PRIMARY KEY, message text)")

        def read_after(last):
            return reader.execute("SELECT id, message FROM line WHERE id > %s ORDER BY id", (last,)).fetchall()

        slow.execute("INSERT INTO line (message) VALUES ('begun first')")
        quick.execute("INSERT INTO line (message) VALUES ('committed first')")
        quick.commit()
        seen = read_after(0)
        slow.commit()

        assert seen == [(2, "committed first")]
        assert read_after(2) == []
        assert read_after(0) == [(1, "begun first"), *seen]
