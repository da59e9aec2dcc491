"""How much one read of an object brings: all that is fair while others read"""

import io
import os
import uuid
from contextlib import ExitStack, closing

CHUNK, MOST = 256 * 1024, 2**20
CONTENT = os.urandom(5 * MOST)


def test_a_lone_read_has_large_chunks_and_many_have_small_ones(bucket):
    key = f"chunks-{uuid.uuid4().hex}"
    bucket.put(key, io.BytesIO(CONTENT))
    with closing(bucket.chunks(key)) as alone:
        assert len(next(alone)) == MOST
        with ExitStack() as stack:
            others = [stack.enter_context(closing(bucket.chunks(key))) for _ in range(20)]
            assert {len(next(other)) for other in others} >= {CHUNK}
            assert [len(next(other)) for other in others] == [CHUNK] * 20
            assert len(next(alone)) == CHUNK
        assert len(next(alone)) == MOST
        rest = b"".join(alone)
    assert CONTENT.endswith(rest)
    bucket.remove(key)
