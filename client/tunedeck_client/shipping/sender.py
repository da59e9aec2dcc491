"""Sends the spool's batches in order and retries each until the service stores it or refuses it for good."""

from __future__ import annotations

import threading
import time

from tunedeck_client.lines.text import Loss, is_report, loss_of, report, rfc3339
from tunedeck_client.shipping.batch import LINES, POINTS, Batch, Kind
from tunedeck_client.shipping.lane import (
    DEFERRED,
    GIVEN_UP,
    MAX_BACKOFF,
    MAX_BACKOFF_IN_FLUSH,
    REFUSED,
    STOPPED,
    STORED,
    Lane,
)
from tunedeck_client.shipping.notices import Notices
from tunedeck_client.shipping.post import Post
from tunedeck_client.shipping.spool import Spool
from tunedeck_client.transport.server import Answer

LINGER = 0.25  # s from one batch to the next that may still grow: few requests, and live all the same
PATIENCE = 60.0  # s of 404 or 400 until lines are dropped: a kernel may start before its job is created
ADOPT_EVERY = 10.0  # s between two looks for files that dead processes left


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
        self._lanes = {kind: Lane(backoff, patience) for kind in (LINES, POINTS)}
        self._notices = Notices(post.url)
        self._wake = threading.Event()
        self._stopping = False
        self._hurry_until = 0.0
        self._adopt_at = 0.0
        self._quiet_until = 0.0
        self.stored = 0  # batches, so that a caller sees progress
        self._losses: dict[str, tuple[Loss, str]] = {}

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
                self._notices.note(-1, f"{type(error).__name__}: {error}")
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
                retry_at = lane.retry_at(in_flush=now < self._hurry_until)
                if now >= retry_at and (not batch.open or batch.is_urgent or is_due):
                    self._spool.hand_out(batch)
                    return batch
                until = min(until, max(retry_at, self._quiet_until) if batch.open else retry_at)
            if not self._stopping and until > now:
                self._spool.changed.wait(until - now)
        return None

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
        verdict = self._send(batch.kind, batch.key, lines) if lines else STORED
        if verdict == DEFERRED:
            self._spool.give_back(batch)
        elif verdict != STOPPED:
            if self._lanes[LINES].is_wanted and self._losses:
                self._spool.append([report(loss, self._source, why) for loss, why in self._losses.values()])
                self._losses.clear()
            self._spool.done(batch)

    def _send(self, kind: Kind, key: str, lines: list[bytes]) -> str:
        verdict, answer = self._ask(kind, key, b"".join(lines), is_single=len(lines) == 1)
        if verdict == REFUSED and len(lines) > 1:
            # The halves' keys derive from the batch's: a retry after a restart stores nothing twice.
            half = len(lines) // 2
            first = self._send(kind, key + ".0", lines[:half])
            if first in (STOPPED, DEFERRED):
                return first
            return self._send(kind, key + ".1", lines[half:])
        if verdict in (REFUSED, GIVEN_UP):
            self._notices.note(answer.status, answer.reason)
            if len(lines) == 1 and is_report(lines[0]):
                # A report of ours: a report of its loss would be refused as well, for ever.
                self._spool.lost += 1
            else:
                why = f"{verdict}, the service answered {answer.status} {answer.reason}"
                self._lose(f"{verdict} {answer.status}", loss_of(lines, kind.noun), why)
        return verdict

    def _ask(self, kind: Kind, key: str, body: bytes, *, is_single: bool) -> tuple[str, Answer]:
        answer, lane = Answer(0, None, ""), self._lanes[kind]
        while not self._stopping:
            answer = self._post(key, body, kind)
            verdict = lane.judge(answer, is_single=is_single)
            self._note(verdict, answer)
            if verdict is not None:
                return verdict, answer
            seconds, asked = lane.backoff_after(answer)
            if kind == POINTS:
                lane.defer(seconds)
                return DEFERRED, answer
            self._pause(seconds, asked=asked)
        return STOPPED, answer

    def _note(self, verdict: str | None, answer: Answer) -> None:
        """Count what was stored, and tell of the service what is news."""
        self.stored += verdict == STORED
        if verdict in (STORED, REFUSED):
            self._notices.note_reached()
        elif verdict is None and answer.is_passing:
            self._notices.note_away(answer)
        elif verdict is None:
            self._notices.note(answer.status, answer.reason)

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


def _now(lines: int, kind: Kind) -> Loss:
    moment = rfc3339(time.time())
    return Loss(lines, moment, moment, kind.noun)
