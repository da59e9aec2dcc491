"""How the parts of an upload become its object, where another request is faster."""

import os
from types import SimpleNamespace

import pytest

from services.models.files.parts import join_parts
from shared.errors import Conflict, Unprocessable
from shared.s3.bucket import Bucket
from tests.support.databases import one_database

pytestmark = one_database

MIB = 2**20


class LateBucket(Bucket):
    """Lists no part, as while the store removes them at the end of another request."""

    def list_parts(self, key, upload_id):
        return []


@pytest.fixture
def upload(create, begin, begun_of, send_parts):
    """An upload whose two parts came, and what completes it."""
    model, content = create(), os.urandom(16 * MIB + 5)
    record = begin(model, len(content))
    begun = begun_of(model)
    upload = SimpleNamespace(id=1, size=len(content), part_size=record["part_size"], key=begun.key, store_id=begun.id)
    return upload, send_parts(record, content)


@pytest.fixture
def join_late(bucket):
    """Join while the store removes the parts."""
    late = LateBucket(bucket.client, bucket.name)
    return lambda upload, sent: join_parts(late, upload, sent)


def test_whoever_comes_while_the_store_removes_the_parts_gets_the_object(upload, bucket, join_late):
    upload, sent = upload
    etag = join_parts(bucket, upload, sent)
    assert join_late(upload, sent) == etag


def test_other_parts_are_refused_then_as_ever(upload, bucket, join_late):
    upload, sent = upload
    join_parts(bucket, upload, sent)
    other = [sent[0], sent[1] | {"etag": sent[0]["etag"]}]
    with pytest.raises(Unprocessable, match="No part 1 came"):
        join_late(upload, other)
    with pytest.raises(Conflict, match="no longer has upload"):
        join_parts(bucket, upload, other)


def test_parts_that_never_came_are_refused(upload, join_late):
    upload, sent = upload
    with pytest.raises(Unprocessable, match="No part 1 came"):
        join_late(upload, sent)
