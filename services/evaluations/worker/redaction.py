"""Takes secrets out of texts that go into rows, answers and logs; pure."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable
from types import TracebackType

_HIDDEN = "***"
_URL_SECRETS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?:[^\s/@\"']*@)?(?P<place>[^\s?#\"']*)(?:[?#][^\s\"']*)?", re.I
)
_KEYS = re.compile(r"\b(?:sk|hf|gsk|xai)[-_][A-Za-z0-9_-]{8,}|(?<=Bearer )[^\s\"']+|(?<=Basic )[A-Za-z0-9+/=]{8,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the secrets, without what looks like a key, its URLs without user, password and query."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return _KEYS.sub(_HIDDEN, _URL_SECRETS.sub(r"\g<scheme>\g<place>", text))


def describe_place(place: TracebackType | None) -> str:
    """Return the frames of a traceback without the exception's text, which may hold anything."""
    return "".join(traceback.format_tb(place)).rstrip()
