"""Sends the spool's batches in order, each until the service has it or will never take it."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from typing import Callable

from tunedeck_client.batch import Batch
from tunedeck_client.post import Answer
from tunedeck_client.spool import Spool
from tunedeck_client.text import REPORT_MARK, Loss, is_report, loss_of, report, rfc3339

LINGER = 0.25  # s after a batch went out before a growing one follows: few requests, and still live
LONGEST_PAUSE = 30.0  # s between two attempts
HURRIED_PAUSE = 0.5  # s, while somebody waits in flush or close
PATIENCE = 60.0  # s of 404 or 400 until lines are dropped: a job may be announced before it exists
ADOPT_EVERY = 10.0  # s between two looks for what dead processes left

_STORED, _REFUSED, _GIVEN_UP, _STOPPED = "stored", "refused", "given up", "stopped"


class Sender:
    """The loop of the sending thread.

    201 is stored. No answer, 408, 429 and 5xx are tried again, with pauses that grow; so is any answer that
    nobody expects here (401, 403, a redirect, another server's 200), at the longest pause. 413 and 422 halve
    the batch until the bad line is alone; that one is dropped. 404 and 400 are tried again for `patience`
    seconds without any line stored, then each batch is dropped at once.
    """

    def __init__(
        self, spool: Spool, post: Callable[[str, bytes], Answer], source: str, backoff: float, patience: float
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
        self._failures = 0
        self._unwanted_since: float | None = None
        self._losses: dict[str, tuple[Loss, str]] = {}
        self._noted: set[int] = set()

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            try:
                if time.monotonic() >= self._adopt_at:
                    self._adopt_at = time.monotonic() + ADOPT_EVERY
                    self._spool.adopt()
                batch = self._next()
                if batch is not None:
                    self._deliver(batch)
            except Exception as error:  # a fault of ours must neither end the log nor reach the training
                self._note(-1, f"{type(error).__name__}: {error}")
                self._pause(LONGEST_PAUSE)

    def hurry(self, until: float) -> None:
        """Somebody waits: until then (monotonic seconds) send at once and pause briefly."""
        self._hurry_until = until
        self._notify()

    def stop(self) -> None:
        """Leave after the request that is on its way."""
        self._stopping = True
        self._notify()

    def _notify(self) -> None:
        self._wake.set()
        with self._spool.changed:
            self._spool.changed.notify_all()

    def _next(self) -> Batch | None:
        with self._spool.changed:
            now = time.monotonic()
            batch = self._spool.head()
            if batch is not None and (not batch.open or now >= self._quiet_until or now < self._hurry_until):
                self._spool.hand_out(batch)
                return batch
            until = self._adopt_at if batch is None else min(self._adopt_at, self._quiet_until)
            if not self._stopping and until > now:
                self._spool.changed.wait(until - now)
        return None

    def _deliver(self, batch: Batch) -> None:
        self._quiet_until = time.monotonic() + LINGER
        lines: list[bytes] = []
        try:
            lines = batch.read()
        except OSError as error:
            self._lose("unread", _now(max(batch.lines, 1)), f"a spool file cannot be read: {error}")
        if batch.damaged:
            self._lose("damaged", _now(batch.damaged), "damaged in the spool, by a kill or the disk")
        if not lines or self._send(batch.key, lines) != _STOPPED:
            if self._unwanted_since is None and self._losses:  # the service takes lines
                self._spool.append([report(loss, self._source, why) for loss, why in self._losses.values()])
                self._losses.clear()
            self._spool.done(batch)

    def _send(self, key: str, lines: list[bytes]) -> str:
        verdict, answer = self._ask(key, b"".join(lines))
        if verdict == _REFUSED and len(lines) > 1:
            # The halves' keys come from the batch's, so that a repeat after a restart stores nothing twice.
            half = len(lines) // 2
            if self._send(key + ".0", lines[:half]) == _STOPPED:
                return _STOPPED
            return self._send(key + ".1", lines[half:])
        if verdict in (_REFUSED, _GIVEN_UP):
            self._note(answer.status, answer.reason)
            if len(lines) == 1 and is_report(lines[0]):
                self._spool.lost += 1  # a report of ours: one more would go the same way, for ever
            else:
                why = f"{verdict}, the service answered {answer.status} {answer.reason}"
                self._lose(f"{verdict} {answer.status}", loss_of(lines), why)
        return verdict

    def _ask(self, key: str, body: bytes) -> tuple[str, Answer]:
        answer = Answer(0, None, "")
        while not self._stopping:
            answer = self._post(key, body)
            if answer.status in (201, 413, 422):
                self._failures = 0
                self._unwanted_since = None
                return (_STORED if answer.status == 201 else _REFUSED), answer
            if answer.status in (400, 404):
                now = time.monotonic()
                if self._unwanted_since is None:
                    self._unwanted_since = now
                if now - self._unwanted_since >= self._patience:
                    return _GIVEN_UP, answer
            self._pause_after(answer)
        return _STOPPED, answer

    def _pause_after(self, answer: Answer) -> None:
        status = answer.status
        expected = status in (0, 408, 429) or status >= 500
        if not expected:
            self._note(status, answer.reason)
        if status in (429, 503) and answer.retry_after is not None:
            self._pause(answer.retry_after, asked=True)
            return
        if expected or status in (400, 404):
            grown = min(self._backoff * 2.0 ** min(self._failures, 30), LONGEST_PAUSE)
            self._failures += 1
        else:
            grown = LONGEST_PAUSE
        self._pause(grown * random.uniform(0.5, 1.0))  # so that the ranks of one job do not come all at once

    def _pause(self, seconds: float, *, asked: bool = False) -> None:
        """Wait; a hurry cuts it short unless the service itself asked for the time."""
        self._wake.clear()
        if not asked and time.monotonic() < self._hurry_until:
            seconds = min(seconds, HURRIED_PAUSE)
        end = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end:
            if self._wake.wait(end - time.monotonic()) and not asked:
                return
            self._wake.clear()

    def _lose(self, kind: str, loss: Loss, why: str) -> None:
        self._spool.lost += loss.lines
        if kind in self._losses:
            before, why = self._losses[kind]
            loss = before.joined(loss)
        self._losses[kind] = loss, why

    def _note(self, status: int, reason: str) -> None:
        if status not in self._noted and sys.stderr is not None:
            self._noted.add(status)
            with contextlib.suppress(OSError, ValueError):
                said = f"the logs service answers {status} {reason}" if status >= 0 else reason
                sys.stderr.write(f"{REPORT_MARK}{said}\n")


def _now(lines: int) -> Loss:
    moment = rfc3339(time.time())
    return Loss(lines, moment, moment)
