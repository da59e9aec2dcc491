"""Takes secrets out of what goes into rows, answers and logs: out of texts, and unexpected exceptions' texts; pure."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any

_HIDDEN = "***"
_CODE = re.compile(r"[0-9A-Z]{5}")
_URL_SECRETS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?:[^\s/@\"']*@)?(?P<place>[^\s?#\"']*)(?:[?#][^\s\"']*)?", re.I
)
_SECRETS = re.compile(
    r"(\?)[^\s\"']+"
    r"|((?i:bearer[ \t]+|tunedeck-\d+=))[^\s\"';]+"
    r"|(Basic[ \t]+)[A-Za-z0-9+/=]{8,}"
    r"|\b(t[djs]_)[\w.-]+"
    r"|\b(?:sk|hf|gsk|xai)[-_][A-Za-z0-9_-]{8,}"
)
"""Queries, what authenticates a request, our tokens and cookies, and what looks like a key of others."""

log = logging.getLogger(__name__)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without the secrets, without what looks like one, its URLs without user, password and query."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return _SECRETS.sub(_hide, _URL_SECRETS.sub(r"\g<scheme>\g<place>", text))


def _hide(found: re.Match[str]) -> str:
    """Show what kind of secret was there, where that can be said."""
    return next(filter(None, found.groups()), "") + _HIDDEN


def describe_failure(error: BaseException) -> str:
    """Return an exception's type and frames, and those of what caused it, without its text, which may hold anything."""
    described: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        described.append(f"{_name(cause)}\n{''.join(traceback.format_tb(cause.__traceback__)).rstrip()}".rstrip())
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\ncaused by ".join(described)


def _name(error: BaseException) -> str:
    """Return the name of an exception's type, with the code of an error of the system or of SQL."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    codes = [getattr(error, attribute, None) for attribute in ("errno", "sqlstate")]
    said = [str(code) for code in codes if isinstance(code, int) or (isinstance(code, str) and _CODE.fullmatch(code))]
    return f"{name} ({', '.join(said)})" if said else name


def log_uncaught_failures(hub: Any = None) -> None:
    """Have what ends the process, a thread or a greenlet of gevent's ``hub`` logged without its text.

    Python and gevent would print all of it.
    """

    def log_failure(error: BaseException | None, where: str) -> None:
        if error is not None and not isinstance(error, SystemExit | KeyboardInterrupt):
            log.error("%s failed: %s", where, describe_failure(error))

    sys.excepthook = lambda kind, error, place: log_failure(error, "the process")
    threading.excepthook = lambda failed: log_failure(failed.exc_value, "a thread")
    if hub is not None:
        hub.print_exception = lambda context, kind, error, place: log_failure(error, "a greenlet")
