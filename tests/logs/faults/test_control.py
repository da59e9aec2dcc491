"""The control run of scenario 1: the same load on the scheme that we do not use must fail, else the oracle is blind."""

import threading
import time
from contextlib import closing

import psycopg

from tests.support.databases import only_on

WRITERS, LINES = 8, 40


@only_on("postgresql")
def test_tailing_by_an_auto_increment_id_loses_lines(new_database, database_kind):
    """Ids are given out before the commit: a reader that has seen 8 never looks at a 7 that is committed later."""
    url = new_database(database_kind)
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("CREATE TABLE line (id bigserial PRIMARY KEY, message text)")

    def write(name):
        with closing(psycopg.connect(url)) as connection:
            for number in range(LINES):
                connection.execute("INSERT INTO line (message) VALUES (%s)", (f"{name} {number}",))
                time.sleep(0.001 * (name + number) % 0.005)  # what a transaction does besides
                connection.commit()

    writers = [threading.Thread(target=write, args=(name,)) for name in range(WRITERS)]
    for writer in writers:
        writer.start()
    seen = []
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        while True:
            over = not any(writer.is_alive() for writer in writers)
            last = seen[-1][0] if seen else 0
            new = connection.execute("SELECT id, message FROM line WHERE id > %s ORDER BY id", (last,)).fetchall()
            seen += new
            if over and not new:
                break
        rows = connection.execute("SELECT id, message FROM line ORDER BY id").fetchall()

    assert len(rows) == WRITERS * LINES
    assert len(seen) < len(rows)
