"""Copies within the store"""

import io
import os
import uuid

import pytest

from shared.s3 import bucket as module
from shared.s3.errors import ObjectChanged, ObjectMissing

MIB = 2**20


@pytest.fixture
def key():
    return f"copy-{uuid.uuid4().hex}/ä b+%41"


@pytest.mark.parametrize("size", [0, 1, 12 * MIB])
def test_it_works(bucket, key, monkeypatch, size):
    """The large one in parts, here of five MiB."""
    monkeypatch.setattr(module, "COPIED_AT_ONCE_BYTES", 5 * MIB)
    content = os.urandom(size)
    etag = bucket.put(key, io.BytesIO(content))
    copied = bucket.copy(key, f"{key}2", size=size, etag=etag)
    assert (bucket.stat(f"{key}2").etag, bucket.stat(f"{key}2").size) == (copied, size)
    assert b"".join(bucket.chunks(f"{key}2")) == content


@pytest.mark.parametrize("size", [10, 12 * MIB])
def test_it_rejects_another_object_than_was_recorded(bucket, key, monkeypatch, size):
    monkeypatch.setattr(module, "COPIED_AT_ONCE_BYTES", 5 * MIB)
    bucket.put(key, io.BytesIO(bytes(size)))
    with pytest.raises(ObjectChanged):
        bucket.copy(key, f"{key}2", size=size, etag="0" * 32)
    assert not bucket.has(f"{key}2")
    assert not [found for found in bucket.list_uploads() if found.key == f"{key}2"]


def test_it_rejects_what_is_not_there(bucket, key):
    with pytest.raises(ObjectMissing):
        bucket.copy(key, f"{key}2", size=10, etag="0" * 32)
