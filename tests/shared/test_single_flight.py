"""services/logs/shared_reads.py"""

import gevent
import pytest

from shared.single_flight import SingleFlight


class Table:
    """One row for each key, whose value is the number of the last write; reading it takes a while."""

    def __init__(self):
        self.written, self.reads, self.most, self._reading = 0, 0, 0, 0

    def read(self, key):
        self.reads += 1
        self._reading += 1
        self.most = max(self.most, self._reading)
        found = self.written
        gevent.sleep(0.01)  # a database's answer
        self._reading -= 1
        if key < 0:
            raise KeyError(key)
        return found


def test_who_comes_while_one_reads_shares_the_next_read():
    table = Table()
    reads = SingleFlight(table.read)
    readers = [gevent.spawn(reads.get, 1) for _ in range(1000)]
    gevent.joinall(readers, raise_error=True)
    assert (table.reads, table.most) == (2, 1)


def test_nobody_gets_what_was_read_before_they_came():
    table, seen = Table(), []
    reads = SingleFlight(table.read)

    def write_and_read(number):
        gevent.sleep(number / 10_000)  # some come while a read is under way
        table.written += 1
        mine = table.written
        seen.append(reads.get(1) >= mine)

    gevent.joinall([gevent.spawn(write_and_read, number) for number in range(1000)], raise_error=True)
    assert seen == [True] * 1000
    assert table.reads < 100
    assert table.most == 1


def test_keys_do_not_wait_for_each_other():
    table = Table()
    reads = SingleFlight(table.read)
    gevent.joinall([gevent.spawn(reads.get, key) for key in range(10)], raise_error=True)
    assert (table.reads, table.most) == (10, 10)


def test_a_failure_is_everybodys_and_the_next_read_is_a_new_one():
    table = Table()
    reads = SingleFlight(table.read)
    readers = [gevent.spawn(reads.get, -1) for _ in range(3)]
    gevent.joinall(readers)
    assert [type(reader.exception) for reader in readers] == [KeyError] * 3
    assert table.reads == 2
    with pytest.raises(KeyError):
        reads.get(-1)
    assert table.reads == 3


@pytest.mark.parametrize("killed", [0, 1, 2])
def test_a_reader_that_is_killed_leaves_nobody_waiting(killed):
    """The first reads, the second waits to read for the third."""
    reads = SingleFlight(Table().read)
    readers = [gevent.spawn(reads.get, 1) for _ in range(3)]
    gevent.sleep(0)
    readers[killed].kill()
    gevent.joinall(readers, timeout=1)
    assert all(reader.ready() for reader in readers)
    assert reads.get(1) == 0
