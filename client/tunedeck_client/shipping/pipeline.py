"""The way of a process's lines: the queue, the spool, and two threads between them and the service."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from functools import partial

from tunedeck_client.lines.text import clean, encode, report, rfc3339, split
from tunedeck_client.shipping.batch import POINTS
from tunedeck_client.shipping.line_queue import Item, LineQueue, StepValues
from tunedeck_client.shipping.points import encode_points
from tunedeck_client.shipping.post import Post
from tunedeck_client.shipping.sender import Sender
from tunedeck_client.shipping.spool import Spool


class Pipeline:
    """One thread writes the queue to the spool, the other sends that: lines reach the disk while it hangs.

    Without the threads, which an interpreter that ends no longer starts, `pass_on` writes to the spool.
    """

    def __init__(
        self, queue: LineQueue, spool: Spool, post: Post, source: str, *, backoff: float, patience: float
    ) -> None:
        self.queue = queue
        self.spool = spool
        self._post = post
        self._source = source
        self._sender = Sender(spool, post, source, backoff, patience)
        self._threads: list[threading.Thread] = []
        self._is_ending = False
        self._seen_stored, self._progress_at = -1, 0.0

    def start(self) -> None:
        """Start the threads."""
        threads = [
            threading.Thread(target=target, name=f"tunedeck-{name}", daemon=True)
            for name, target in (("writer", self._write), ("sender", self._sender.run))
        ]
        with contextlib.suppress(RuntimeError):  # the interpreter shuts down: lines still reach the spool
            for thread in threads:
                thread.start()
            self._threads = threads

    def pass_on(self) -> None:
        """Write what is queued to the spool where no thread does."""
        if not self._threads:
            self._write_queued()

    def wait_for_room(self, timeout: float) -> None:
        """Wait while the service stores something: in an outage only the first line waits, and no longer."""
        while self._threads and not self.spool.has_room():
            if self._sender.stored != self._seen_stored:
                self._seen_stored, self._progress_at = self._sender.stored, time.monotonic()
            elif time.monotonic() - self._progress_at >= timeout:
                return
            time.sleep(0.01)

    def _write(self) -> None:
        while not self._is_ending:
            # What fails is counted as lost where it fails; the next lines are tried all the same.
            with contextlib.suppress(Exception):
                self._move(self.queue.take(wait=True))

    def _write_queued(self) -> None:
        for items in iter(partial(self.queue.take, wait=False), []):
            with contextlib.suppress(Exception):
                self._move(items)

    def _move(self, items: list[Item]) -> None:
        """Write queued lines to the spool, and set the events among them."""
        is_urgent = False
        try:
            lines, points = [], []
            for item in items:
                if isinstance(item, StepValues):
                    points += encode_points(*item)
                elif not isinstance(item, threading.Event):
                    created, level, message = item
                    is_urgent |= level == "error"
                    moment = rfc3339(created)
                    lines += [encode(moment, level, self._source, part) for part in split(clean(message))]
            for dropped in self.queue.take_dropped():
                self.spool.lost += dropped.lines
                lines.append(report(dropped, self._source, "they came faster than the disk could take them"))
            self.spool.append(lines, is_urgent=is_urgent)
            self.spool.append(points, kind=POINTS)
        except Exception:
            self.spool.lost += len(items)
            raise
        finally:
            self.queue.taken(items)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def is_stored(self, timeout: float | None, *, everything: bool = False) -> bool:
        """Wait at most `timeout` s; True if what was put is stored, or all, what was adopted as well."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        reached = self.queue.mark()
        if not self._threads:
            self._write_queued()
            return not self.spool.waiting()
        self._sender.hurry(end)
        try:
            if not reached.wait(timeout):
                return False
            self.spool.adopt()
            left = None if timeout is None else end - time.monotonic()
            return self.spool.wait_done(None if everything else self.spool.waiting(), left)
        finally:
            self._sender.hurry(0.0)

    def drain(self, timeout: float) -> bool:
        """Wait until all is stored, for as long as something is stored every `timeout` s."""
        stored = -1
        while not self.is_stored(timeout, everything=True):
            if stored == self._sender.stored:
                return False
            stored = self._sender.stored
        return True

    def stop(self) -> bool:
        """End the threads and give up the spool; False where one of them cannot be ended."""
        self._is_ending = True
        self.queue.mark()
        self._sender.stop()
        self._post.abort()
        for thread in self._threads:
            thread.join(1.0)
        has_ended = not any(thread.is_alive() for thread in self._threads)
        if has_ended:
            self._write_queued()
        self.spool.close()
        return has_ended
