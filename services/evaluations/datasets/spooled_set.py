"""Spools a test set: a validated copy in a temporary file, read row by row."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from services.evaluations.datasets.parser import PIECE_BYTES, RowReader
from services.evaluations.datasets.row_shapes import Reading, Row
from services.evaluations.datasets.set_statistics import SetStatistics
from services.evaluations.datasets.test_sets import TestSetBody, find_recorded, format_of, name_of
from shared.errors import NotFound
from shared.pacing import yield_turn
from shared.s3.bucket import Bucket
from shared.s3.errors import ObjectMissing
from shared.s3.request_body import MAX_FILE_BYTES, too_large

_REMOVED = "The test set is no longer there."


@dataclass(frozen=True)
class Spooled:
    """A validated copy of a test set in a temporary file, so that a run of hours holds no connection to the store."""

    file: IO[bytes]
    name: str
    etag: str
    sha256: str
    total: int
    statistics: SetStatistics
    reading: Reading

    def rows(self) -> Iterator[Row]:
        """Read the rows in their order."""
        self.file.seek(0)
        reader = RowReader(self.reading)
        while piece := self.file.read(PIECE_BYTES):
            yield from reader.feed(piece)
            yield_turn()
        yield from reader.finish()

    def is_current(self, bucket: Bucket) -> bool:
        """Say whether the stored object is unchanged since; NotFound or Unavailable."""
        try:
            return bucket.stat(self.name).etag == self.etag
        except ObjectMissing as error:
            raise NotFound(_REMOVED) from error


@contextmanager
def spooled(bucket: Bucket, path: str) -> Iterator[Spooled]:
    """Spool a test set for a block, validating it; raises NotFound, Unprocessable, TooLarge or Unavailable."""
    name = name_of(path)
    try:
        found = bucket.stat(name)
    except ObjectMissing as error:
        raise NotFound(_REMOVED) from error
    if found.size > MAX_FILE_BYTES:
        raise too_large(TestSetBody.called)
    recorded = find_recorded(name)
    reading = Reading(**recorded.reading) if recorded and recorded.reading else Reading(format_of(name))
    with tempfile.TemporaryFile(prefix="test-set-") as file:
        sha256, reader = hashlib.sha256(), RowReader(reading)
        for chunk in bucket.chunks(name, etag=found.etag) if found.size else ():
            file.write(chunk)
            sha256.update(chunk)
            reader.feed(chunk)
            # A store that is fast always has the next chunk, and nobody else would have a turn.
            yield_turn()
        reader.finish()
        yield Spooled(file, name, found.etag, sha256.hexdigest(), reader.statistics.rows, reader.statistics, reading)
