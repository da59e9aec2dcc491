"""The SHA-256 that goes on where another process was"""

import hashlib
import os

import pytest

from services.models import resumable
from services.models.resumable import ResumableSha256, resume_sha256

CONTENT = os.urandom(64 * 40 + 17)


@pytest.mark.parametrize("size", [*range(130), 64 * 40, len(CONTENT)])
def test_it_works(size):
    made = ResumableSha256()
    made.update(CONTENT[:size])
    assert made.hexdigest() == hashlib.sha256(CONTENT[:size]).hexdigest()
    made.update(b"more")
    assert made.hexdigest() == hashlib.sha256(CONTENT[:size] + b"more").hexdigest()


@pytest.mark.parametrize("blocks", range(41))
def test_it_goes_on_from_every_block(blocks):
    first, _ = resume_sha256(None, 0)
    first.update(CONTENT[: 64 * blocks])
    second, offset = resume_sha256(first.state(), 64 * blocks)
    second.update(CONTENT[offset:])
    assert (offset, second.hexdigest()) == (64 * blocks, hashlib.sha256(CONTENT).hexdigest())


def test_the_length_of_what_came_before_counts_beyond_4_gib():
    """Two that differ in nothing but that length differ."""
    state = ResumableSha256().state()
    digests = {resume_sha256(state, length)[0].hexdigest() for length in (0, 2**29, 2**32, 2**32 + 2**29, 2**40)}
    assert len(digests) == 5


def test_within_a_block_it_has_no_state():
    made = ResumableSha256()
    made.update(b"abc")
    with pytest.raises(ValueError, match="multiple of 64"):
        made.state()


def test_where_openssl_is_out_of_reach_it_begins_again(monkeypatch):
    monkeypatch.setattr(resumable, "_OPENSSL", None)
    made, offset = resume_sha256("0" * 64, 64)
    made.update(CONTENT)
    assert (offset, made.state(), made.hexdigest()) == (0, None, hashlib.sha256(CONTENT).hexdigest())
