"""Sends the spool's batches in order and retries each until the service stores it or refuses it for good."""

from __future__ import annotations

import random
import threading
import time

from tunedeck_client.lines.text import Loss, is_report, loss_of, report, rfc3339, say
from tunedeck_client.shipping.batch import LINES, POINTS, Batch, Kind
from tunedeck_client.shipping.post import Post, PostResult
from tunedeck_client.shipping.spool import Spool

LINGER = 0.25  # s from one batch to the next that may still grow: few requests, and live all the same
MAX_BACKOFF = 30.0  # s between two attempts
MAX_BACKOFF_IN_FLUSH = 0.5  # s, while a caller waits in flush or close
PATIENCE = 60.0  # s of 404 or 400 until lines are dropped: a kernel may start before its job is created
UNREACHABLE_AFTER = 5.0  # s without an answer until stderr says so: a restart is no news
ADOPT_EVERY = 10.0  # s between two looks for files that dead processes left

_STORED, _REFUSED, _GIVEN_UP, _STOPPED, _DEFERRED = "stored", "refused", "given up", "stopped", "deferred"


class _Lane:
    """What the batches of one kind have met at the service."""

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at = self.retry_at = 0.0
        self.has_stored = False
        self.unwanted_since: float | None = None


class Sender:
    """The loop of the sending thread.

    201 is stored. No response, 408, 429 and 5xx are retried with exponential backoff; any other unexpected
    response (401, 403, a redirect, another server's 200) at the longest pause. 413 and 422 bisect the batch
    until the bad line is alone. Lines are dropped at the service's own word only, a proxy says whatever it
    likes: a bad line at its 413 or 422; every line at its 410 (the log was deleted), and at its 404 or 400
    where that goes on for `patience` seconds and no line was ever stored.

    Points go by the same rules, but for the retries: a batch of them that fails waits, and lines overtake it.
    """

    def __init__(
        self,
        spool: Spool,
        post: Post,
        source: str,
        backoff: float,
        patience: float,
    ) -> None:
        self._spool = spool
        self._post = post
        self._source = source
        self._backoff = backoff
        self._patience = patience
        self._wake = threading.Event()
        self._stopping = False
        self._hurry_until = 0.0
        self._adopt_at = 0.0
        self._quiet_until = 0.0
        self._lanes = {LINES: _Lane(), POINTS: _Lane()}
        self._failing_since: float | None = None
        self._is_away = False  # and stderr knows
        self.stored = 0  # batches, so that a caller sees progress
        self._losses: dict[str, tuple[Loss, str]] = {}
        self._noted: set[int] = set()

    def run(self) -> None:
        """Send until `stop`."""
        while not self._stopping:
            try:
                if time.monotonic() >= self._adopt_at:
                    self._adopt_at = time.monotonic() + ADOPT_EVERY
                    self._spool.adopt()
                batch = self._next()
                if batch is not None:
                    self._deliver(batch)
            except Exception as error:  # a bug of ours must not stop the log or reach the training
                self._note(-1, f"{type(error).__name__}: {error}")
                self._pause(MAX_BACKOFF)

    def hurry(self, until: float) -> None:
        """Send without lingering and retry soon, until then (monotonic seconds): a caller waits."""
        self._hurry_until = until
        self._notify()

    def stop(self) -> None:
        """Stop after the request in flight."""
        self._stopping = True
        self._notify()

    def _notify(self) -> None:
        self._wake.set()
        with self._spool.changed:
            self._spool.changed.notify_all()

    def _next(self) -> Batch | None:
        with self._spool.changed:
            now = time.monotonic()
            is_due = now >= self._quiet_until or now < self._hurry_until
            until = self._adopt_at
            for kind, lane in self._lanes.items():
                batch = self._spool.head(kind)
                if batch is None:
                    continue
                retry_at = self._retry_at(lane)
                if now >= retry_at and (not batch.open or batch.is_urgent or is_due):
                    self._spool.hand_out(batch)
                    return batch
                until = min(until, max(retry_at, self._quiet_until) if batch.open else retry_at)
            if not self._stopping and until > now:
                self._spool.changed.wait(until - now)
        return None

    def _retry_at(self, lane: _Lane) -> float:
        in_flush = lane.failed_at + MAX_BACKOFF_IN_FLUSH
        return min(lane.retry_at, in_flush) if time.monotonic() < self._hurry_until else lane.retry_at

    def _deliver(self, batch: Batch) -> None:
        self._quiet_until = time.monotonic() + LINGER
        lines: list[bytes] = []
        try:
            lines = batch.read()
        except OSError as error:
            unread = _now(max(batch.lines, 1), batch.kind)
            self._lose("unread", unread, f"a spool file cannot be read: {error}")
        if batch.damaged:
            damaged = _now(batch.damaged, batch.kind)
            self._lose("damaged", damaged, "damaged in the spool, by a kill or the disk")
        verdict = self._send(batch.kind, batch.key, lines) if lines else _STORED
        if verdict == _DEFERRED:
            self._spool.give_back(batch)
        elif verdict != _STOPPED:
            if self._lanes[LINES].unwanted_since is None and self._losses:  # the service accepts lines
                self._spool.append([report(loss, self._source, why) for loss, why in self._losses.values()])
                self._losses.clear()
            self._spool.done(batch)

    def _send(self, kind: Kind, key: str, lines: list[bytes]) -> str:
        verdict, answer = self._ask(kind, key, b"".join(lines), is_single=len(lines) == 1)
        if verdict == _REFUSED and len(lines) > 1:
            # The halves' keys derive from the batch's: a retry after a restart stores nothing twice.
            half = len(lines) // 2
            first = self._send(kind, key + ".0", lines[:half])
            if first in (_STOPPED, _DEFERRED):
                return first
            return self._send(kind, key + ".1", lines[half:])
        if verdict in (_REFUSED, _GIVEN_UP):
            self._note(answer.status, answer.reason)
            if len(lines) == 1 and is_report(lines[0]):
                # A report of ours: a report of its loss would be refused as well, for ever.
                self._spool.lost += 1
            else:
                why = f"{verdict}, the service answered {answer.status} {answer.reason}"
                self._lose(f"{verdict} {answer.status}", loss_of(lines, kind.noun), why)
        return verdict

    def _ask(self, kind: Kind, key: str, body: bytes, *, is_single: bool) -> tuple[str, PostResult]:
        answer, lane = PostResult(0, None, ""), self._lanes[kind]
        while not self._stopping:
            answer = self._post(key, body, kind)
            verdict = self._judge(lane, answer, is_single=is_single)
            if verdict is not None:
                return verdict, answer
            seconds, asked = self._backoff_after(lane, answer)
            if kind == POINTS:
                lane.failed_at = time.monotonic()
                lane.retry_at = lane.failed_at + seconds
                return _DEFERRED, answer
            self._pause(seconds, asked=asked)
        return _STOPPED, answer

    def _judge(self, lane: _Lane, answer: PostResult, *, is_single: bool) -> str | None:
        """Return what became of the batch, or None: it is to be sent again."""
        status = answer.status
        if status == 201 and answer.is_ours:
            self._reached(lane)
            lane.has_stored = True
            self.stored += 1
            return _STORED
        if status in (413, 422) and (answer.is_ours or not is_single):
            self._reached(lane)
            return _REFUSED
        if status == 410 and answer.is_ours:
            lane.unwanted_since = time.monotonic()  # a report of the loss is unwanted, too
            return _GIVEN_UP
        if status in (400, 404) and answer.is_ours and not lane.has_stored:
            now = time.monotonic()
            if lane.unwanted_since is None:
                lane.unwanted_since = now
            if now - lane.unwanted_since >= self._patience:
                return _GIVEN_UP
        return None

    def _reached(self, lane: _Lane) -> None:
        lane.failures = 0
        lane.unwanted_since = None
        self._failing_since = None
        if self._is_away:
            self._is_away = False
            say(f"the logs service at {self._post.url} answers again")

    def _backoff_after(self, lane: _Lane, answer: PostResult) -> tuple[float, bool]:
        """Return the seconds until the next attempt, and whether the service asked for them."""
        status = answer.status
        expected = status in (0, 408, 429) or status >= 500
        if expected:
            self._note_away(answer)
        else:
            self._note(status, answer.reason)
        if status in (429, 503) and answer.retry_after is not None:
            return answer.retry_after, True
        if expected or status in (400, 404):
            grown = min(self._backoff * 2.0 ** min(lane.failures, 30), MAX_BACKOFF)
            lane.failures += 1
        else:
            grown = MAX_BACKOFF
        return grown * random.uniform(0.5, 1.0), False  # jitter: the ranks of one job would retry all at once

    def _pause(self, seconds: float, *, asked: bool = False) -> None:
        """Wait; `hurry` cuts it short unless the service asked for the time (Retry-After)."""
        self._wake.clear()
        if not asked and time.monotonic() < self._hurry_until:
            seconds = min(seconds, MAX_BACKOFF_IN_FLUSH)
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            if self._wake.wait(end - time.monotonic()) and not asked:
                return
            self._wake.clear()

    def _lose(self, kind: str, loss: Loss, why: str) -> None:
        self._spool.lost += loss.lines
        kind = f"{loss.noun} {kind}"
        if kind in self._losses:
            before, why = self._losses[kind]
            loss = before.joined(loss)
        self._losses[kind] = loss, why

    def _note(self, status: int, reason: str) -> None:
        if status not in self._noted:
            self._noted.add(status)
            say(f"the logs service answers {status} {reason}" if status >= 0 else reason)

    def _note_away(self, answer: PostResult) -> None:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if not self._is_away and now - self._failing_since >= UNREACHABLE_AFTER:
            self._is_away = True
            what = f"answers {answer.status}" if answer.status else "cannot be reached"
            say(f"the logs service at {self._post.url} {what} ({answer.reason}): lines wait for it")


def _now(lines: int, kind: Kind) -> Loss:
    moment = rfc3339(time.time())
    return Loss(lines, moment, moment, kind.noun)
