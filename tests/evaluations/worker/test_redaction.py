"""Texts without the secrets that are in them."""

import pytest

from services.evaluations.worker.redaction import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("http://a:b@host:1/v1?key=1#f", "http://host:1/v1"),
        ("(https://host/v1?sig=abc)", "(https://host/v1"),
        ("postgresql://u:p@db/x and redis://:p@r/0", "postgresql://db/x and redis://r/0"),
        ("Incorrect API key provided: sk-proj-abcdefgh123", "Incorrect API key provided: ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(text, shown):
    assert redact(text) == shown
