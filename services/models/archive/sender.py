"""Gathers the small pieces of an archive into writes of some size; large ones pass as they are."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing

from services.models.archive.layout import Read
from services.models.archive.object_reader import Content
from services.models.archive.prefetch import read_pieces
from shared.s3.bucket import Bucket

_SMALL_BYTES = 64 * 1024
"""Pieces below this go out together: each write costs more than copying it does."""


def send_pieces(bucket: Bucket, contents: Sequence[Content], pieces: Iterable[bytes | Read]) -> Generator[bytes]:
    """Yield what ``pieces`` name, the small ones together; nothing before the first file of them was opened."""
    pending = b""
    with closing(read_pieces(bucket, contents, pieces)) as turns:
        for turn in turns:
            if isinstance(turn, bytes):
                pending += turn
                if len(pending) >= _SMALL_BYTES:
                    yield pending
                    pending = b""
                continue
            with closing(turn) as chunks:
                for chunk in chunks:
                    if len(chunk) < _SMALL_BYTES:
                        yield pending + chunk
                    else:
                        # Joining the two would copy the large one.
                        if pending:
                            yield pending
                        yield chunk
                    pending = b""
    if pending:
        yield pending
