"""What stderr is told of the service: each unexpected answer once, and that it is away, or answers again."""

from __future__ import annotations

import time

from tunedeck_client.lines.text import say
from tunedeck_client.transport.server import Answer

UNREACHABLE_AFTER = 5.0  # s without an answer until stderr says so: a restart is no news


class Notices:
    """The notices of one sender."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._noted: set[int] = set()
        self._failing_since: float | None = None
        self._is_away = False  # and stderr knows

    def note(self, status: int, reason: str) -> None:
        """Say an answer that was not expected; a status below 0 is that of a failure of ours."""
        if status not in self._noted:
            self._noted.add(status)
            say(f"the logs service answers {status} {reason}" if status >= 0 else reason)

    def note_away(self, answer: Answer) -> None:
        """Say that the service is away, once it has been for a while."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if not self._is_away and now - self._failing_since >= UNREACHABLE_AFTER:
            self._is_away = True
            what = f"answers {answer.status}" if answer.status else "cannot be reached"
            say(f"the logs service at {self._url} {what} ({answer.reason}): lines wait for it")

    def note_reached(self) -> None:
        """Say that the service answers again, where it was said to be away."""
        self._failing_since = None
        if self._is_away:
            self._is_away = False
            say(f"the logs service at {self._url} answers again")
