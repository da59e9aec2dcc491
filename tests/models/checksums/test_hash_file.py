"""One read of a file for its checksums"""

import hashlib
import io
import os
import time
import uuid
import zlib
from threading import Event

import pytest

from services.models.archive.object_reader import StoredObject
from services.models.checksums.hash_file import RateLimit, hash_file
from shared.errors import Conflict
from shared.lease import LeaseLost

CONTENT = os.urandom(40 * 2**20 + 7)


class Steps:
    """In place of a rate limit: does something once so many bytes have been read."""

    def __init__(self, after=None, act=None):
        self.after, self.act, self.read = after, act, 0

    def spend(self, count):
        self.read += count
        if self.after is not None and self.read > self.after:
            self.after = None
            self.act()


@pytest.fixture
def stored(bucket):
    """An object whose checksums nobody knows."""
    key = f"hash-{uuid.uuid4().hex}/a"
    return StoredObject(key, len(CONTENT), bucket.put(key, io.BytesIO(CONTENT)), None)


def test_it_works(stored, bucket):
    sums = zlib.crc32(CONTENT), hashlib.sha256(CONTENT).hexdigest()
    assert hash_file(bucket, stored, Steps(), Event()) == sums


def test_it_says_what_was_read_also_where_another_crc_is_recorded(stored, bucket):
    assert hash_file(bucket, stored._replace(crc32=1), Steps(), Event())[0] == zlib.crc32(CONTENT)


@pytest.mark.parametrize("after", [0, 2**20, 30 * 2**20])
def test_an_object_that_is_overwritten_while_it_is_read_is_no_mixture(stored, bucket, after):
    def overwrite():
        bucket.put(stored.key, io.BytesIO(os.urandom(len(CONTENT))))

    with pytest.raises(Conflict):
        hash_file(bucket, stored, Steps(after, overwrite), Event())


def test_an_object_that_is_truncated_while_it_is_read_is_an_error(stored, bucket):
    with pytest.raises(Conflict):
        hash_file(bucket, stored, Steps(0, lambda: bucket.put(stored.key, io.BytesIO(b"short"))), Event())


def test_an_object_that_is_deleted_while_it_is_read_is_missing(stored, bucket):
    with pytest.raises(Conflict, match="missing"):
        hash_file(bucket, stored, Steps(0, lambda: bucket.remove(stored.key)), Event())


def test_who_lost_the_lease_reads_no_further(stored, bucket):
    lost, steps = Event(), Steps(0, lambda: lost.set())
    with pytest.raises(LeaseLost):
        hash_file(bucket, stored, steps, lost)
    assert steps.read < len(CONTENT)


def test_the_rate_is_bounded():
    rate, began = RateLimit(100), time.monotonic()
    for _ in range(200):
        rate.spend(2**18)
    assert time.monotonic() - began > 0.45
