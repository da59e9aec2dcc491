"""One read of a file, range by range, on both databases"""

import hashlib
import io
import itertools
import os
import time
import zlib
from datetime import UTC, datetime
from threading import Event

import pytest

from services.models import backlog, summing
from services.models.summing import LeaseLost, Pace, sum_file
from services.models.tables import MIGRATIONS, File, Model
from shared.database import migrate
from shared.store import ObjectChanged, ObjectMissing, Store

RANGE = 2**20
CONTENT = os.urandom(5 * RANGE + 7)
_keys = itertools.count()


class Killed(Exception):
    pass


class Reads(Store):
    """The real store, and what was asked of it."""

    def __init__(self, store):
        super().__init__(store.client, store.bucket)
        self.offsets = []

    def chunks(self, key, *, offset=0, length=None, etag=None):
        self.offsets.append(offset)
        return super().chunks(key, offset=offset, length=length, etag=etag)


class Steps:
    """In place of a pace: does something once so many bytes have been read."""

    def __init__(self, after=None, act=None):
        self.after, self.act, self.read = after, act, 0

    def spend(self, count):
        self.read += count
        if self.after is not None and self.read > self.after:
            self.after = None
            self.act()


def fail():
    raise Killed


@pytest.fixture
def own_tables(new_database, database_kind, tables, monkeypatch):
    monkeypatch.setattr(summing, "RANGE_BYTES", RANGE)
    with tables(new_database(database_kind)) as database:
        migrate(database, MIGRATIONS)
        yield database


@pytest.fixture
def key(own_tables, store):
    """An object whose checksums nobody knows."""
    path = f"summing-{next(_keys)}"
    etag = store.put(f"{path}/a", io.BytesIO(CONTENT))
    texts = dict.fromkeys(("name", "description", "base_model", "type", "served_name", "status"), "x")
    folders = {"storage_path": path, "lora_adapters_path": "", "gguf_path": "", "training_metrics": {}}
    now = datetime.now(UTC)
    model = Model.create(**texts, **folders, created_at=now, updated_at=now)
    File.create(model_id=model.id, path="a", folded="a", size=len(CONTENT), etag=etag)
    return f"{path}/a"


def take(holder="me"):
    """Take the file, as if any lease had lapsed."""
    File.update(held_until=None).execute()
    return backlog.take_unread(holder)


def test_it_works(key, store):
    reads = Reads(store)
    assert sum_file(reads, take(), Steps(), Event()) == (zlib.crc32(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert reads.offsets == [number * RANGE for number in range(6)]


def test_killed_in_each_range_it_goes_on_there(key, store):
    reads = Reads(store)
    for _ in range(5):
        with pytest.raises(Killed):
            sum_file(reads, take(), Steps(RANGE + 3, fail), Event())
    sums = sum_file(reads, take(), Steps(), Event())
    assert sums == (zlib.crc32(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    # Only the range that it died in was begun again.
    assert [offset // RANGE for offset in reads.offsets] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("after", [0, RANGE, 4 * RANGE])
def test_an_object_that_is_overwritten_while_it_is_read_is_no_mixture(key, store, after):
    def overwrite():
        store.put(key, io.BytesIO(os.urandom(len(CONTENT))))

    with pytest.raises(ObjectChanged):
        sum_file(store, take(), Steps(after, overwrite), Event())


def test_an_object_that_is_truncated_while_it_is_read_is_an_error(key, store):
    with pytest.raises(ObjectChanged):
        sum_file(store, take(), Steps(0, lambda: store.put(key, io.BytesIO(b"short"))), Event())


def test_an_object_that_is_deleted_while_it_is_read_is_missing(key, store):
    with pytest.raises(ObjectMissing):
        sum_file(store, take(), Steps(0, lambda: store.remove(key)), Event())


def test_who_lost_the_lease_reads_no_further(key, store):
    late, reads = take("late"), Reads(store)
    take("other")
    with pytest.raises(LeaseLost):
        sum_file(reads, late, Steps(), Event())
    assert reads.offsets == [0]
    lost = Event()
    with pytest.raises(LeaseLost):
        sum_file(store, take(), Steps(0, lost.set), lost)


def test_the_rate_is_bounded():
    pace, began = Pace(100), time.monotonic()
    for _ in range(200):
        pace.spend(2**18)
    took = time.monotonic() - began
    assert 0.45 < took < 1.5
