"""What the service's answers to the batches of one kind mean: stored, refused, or to be sent again."""

from __future__ import annotations

import random
import time

from tunedeck_client.transport.server import Answer

MAX_BACKOFF = 30.0  # s between two attempts
MAX_BACKOFF_IN_FLUSH = 0.5  # s, while a caller waits in flush or close

STORED, REFUSED, GIVEN_UP, STOPPED, DEFERRED = "stored", "refused", "given up", "stopped", "deferred"


class Lane:
    """What the batches of one kind have met so far; `backoff` is in seconds, before the first retry."""

    def __init__(self, backoff: float, patience: float) -> None:
        self._backoff = backoff
        self._patience = patience
        self._failures = 0
        self._failed_at = self._retry_at = 0.0
        self._has_stored = False
        self._unwanted_since: float | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the service took, or refused one by one, what it was last sent."""
        return self._unwanted_since is None

    def judge(self, answer: Answer, *, is_single: bool) -> str | None:
        """Return what became of a batch, or None: it is to be sent again."""
        status = answer.status
        if status == 201 and _is_receipt(answer):
            self._failures, self._unwanted_since, self._has_stored = 0, None, True
            return STORED
        if status in (413, 422) and (answer.is_error or not is_single):
            self._failures, self._unwanted_since = 0, None
            return REFUSED
        if status == 410 and answer.is_error:
            self._unwanted_since = time.monotonic()  # a report of the loss is unwanted, too
            return GIVEN_UP
        if status in (400, 404) and answer.is_error and not self._has_stored:
            now = time.monotonic()
            if self._unwanted_since is None:
                self._unwanted_since = now
            if now - self._unwanted_since >= self._patience:
                return GIVEN_UP
        return None

    def backoff_after(self, answer: Answer) -> tuple[float, bool]:
        """Return the seconds until the next attempt, and whether the service asked for them."""
        if answer.status in (429, 503) and answer.retry_after is not None:
            return answer.retry_after, True
        grown = MAX_BACKOFF
        if answer.is_passing or answer.status in (400, 404):
            grown = min(self._backoff * 2.0 ** min(self._failures, 30), MAX_BACKOFF)
            self._failures += 1
        return grown * random.uniform(0.5, 1.0), False  # jitter: the ranks of a job would retry all at once

    def defer(self, seconds: float) -> None:
        """Have the batch wait, and others overtake it."""
        self._failed_at = time.monotonic()
        self._retry_at = self._failed_at + seconds

    def retry_at(self, *, in_flush: bool) -> float:
        """Return when a deferred batch is sent again (monotonic), which is soon where a caller waits."""
        return min(self._retry_at, self._failed_at + MAX_BACKOFF_IN_FLUSH) if in_flush else self._retry_at


def _is_receipt(answer: Answer) -> bool:
    """Whether the logs service wrote this of what it stored, and not a proxy on the way."""
    return answer.record is not None and ("count" in answer.record or "job_id" in answer.record)
