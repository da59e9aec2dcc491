"""Ships a process's lines to a job's log: by way of a queue in memory and a spool on disk to the service."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import math
import os
import sys
import threading
import time
import weakref

from tunedeck_client.line_queue import MAX_QUEUE_BYTES, Item, LineQueue
from tunedeck_client.post import Post
from tunedeck_client.sender import PATIENCE, Sender
from tunedeck_client.spool import MAX_MEMORY_BYTES, Spool, roots_of
from tunedeck_client.text import clean, encode, report, rfc3339, split

MAX_SPOOL_BYTES = 256 * 1024 * 1024
EXIT_TIMEOUT = 5.0  # s for which the end of a process waits for the service
CHILD_EXIT_TIMEOUT = 1.0  # s, of a forked worker: its parent adopts what it leaves


class LogShipper:
    """Owns the queue, the spool and the two threads between them and the service.

    One thread writes the queue to the spool, the other sends the spool, so that lines reach the disk while
    the service hangs. A forked child starts afresh at its first line, with threads and a spool of its own.
    """

    def __init__(
        self,
        job_id: int,
        url: str,
        *,
        source: str,
        spool_dir: str | os.PathLike[str] | None = None,
        max_spool_bytes: int = MAX_SPOOL_BYTES,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        token: str | None = None,
        timeout: float = 15.0,
        backoff: float = 0.5,
        patience: float = PATIENCE,
        exit_timeout: float = EXIT_TIMEOUT,
    ) -> None:
        if isinstance(job_id, bool) or not isinstance(job_id, int) or job_id < 1:
            raise ValueError(f"job_id must be an integer from 1 on, not {job_id!r}")
        self._source = clean(source)[:255] or "kernel"
        self._post = Post(url, job_id, token or os.environ.get("TUNEDECK_TOKEN"), timeout)
        self._roots = roots_of(job_id, url.rstrip("/"), spool_dir)
        self._max_spool_bytes = max_spool_bytes
        self._max_queue_bytes = max_queue_bytes
        self._max_memory_bytes = max_memory_bytes
        self._exit_timeout = exit_timeout
        self._backoff = backoff
        self._patience = patience
        self._pid = os.getpid()
        self._closed = False
        self._reset()
        self._start()
        _shippers.add(self)

    def _reset(self) -> None:
        self._queue = LineQueue(self._max_queue_bytes)
        self._ended = False
        self._starting = threading.Lock()
        self._lost_before = 0
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        self._writer: threading.Thread | None = None

    def _start(self) -> Spool:
        with self._starting:
            if self._spool is None:
                self._spool = Spool(
                    self._roots, self._max_spool_bytes, self._source, max_memory_bytes=self._max_memory_bytes
                )
                self._sender = Sender(self._spool, self._post, self._source, self._backoff, self._patience)
                self._at_exit()
                sending = threading.Thread(target=self._sender.run, name="tunedeck-sender", daemon=True)
                writing = threading.Thread(target=self._write, name="tunedeck-writer", daemon=True)
                try:
                    sending.start()
                    writing.start()
                except RuntimeError:
                    return self._spool  # the interpreter is shutting down: lines still reach the spool
                self._writer = writing
            return self._spool

    def _at_exit(self) -> None:
        atexit.register(self.close)
        if os.getpid() != self._pid:
            # A multiprocessing worker runs no atexit handlers at its end, but finalizers of its own.
            util = sys.modules.get("multiprocessing.util")
            if util is not None:
                util.Finalize(None, self.close, args=(CHILD_EXIT_TIMEOUT,), exitpriority=0)

    @property
    def lost(self) -> int:
        """How many lines were lost so far."""
        return self._spool.lost if self._spool else 0

    def put(self, created: float, level: str, message: str) -> None:
        """Queue a line with its Unix time. Not thread-safe: `logging.Handler` holds its lock around it."""
        if self._closed:
            return
        if self._spool is None:
            self._start()
        self._queue.put(created, level, message)
        if self._writer is None:
            self._drain()  # no thread could be started: write to the spool here

    def _write(self) -> None:
        while not self._ended:
            # What fails is counted as lost where it fails; the next lines are tried all the same.
            with contextlib.suppress(Exception):
                self._move(self._queue.take(wait=True))

    def _drain(self) -> None:
        items = self._queue.take(wait=False)
        while items:
            with contextlib.suppress(Exception):
                self._move(items)
            items = self._queue.take(wait=False)

    def _move(self, items: list[Item]) -> None:
        """Write queued lines to the spool, and set the events among them."""
        spool = self._start()
        try:
            lines = []
            for item in items:
                if not isinstance(item, threading.Event):
                    created, level, message = item
                    moment = rfc3339(created)
                    lines += [encode(moment, level, self._source, part) for part in split(clean(message))]
            dropped = self._queue.take_dropped()
            if dropped is not None:
                spool.lost += dropped.lines
                lines.append(report(dropped, self._source, "they came faster than the disk could take them"))
            spool.append(lines)
        except Exception:
            spool.lost += len(items)
            raise
        finally:
            self._queue.taken(items)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def flush(self, timeout: float | None) -> bool:
        """Wait at most `timeout` s; True if all is stored and nothing was lost since the last flush."""
        if self._closed:
            return self._spool is None or not self._spool.waiting()
        return self._flush(timeout, everything=False)

    def _flush(self, timeout: float | None, *, everything: bool) -> bool:
        spool = self._start()
        end = math.inf if timeout is None else time.monotonic() + timeout
        reached = self._queue.mark()
        if self._writer is None or self._sender is None:
            self._drain()
            return False
        self._sender.hurry(end)
        try:
            if not reached.wait(timeout):
                return False
            spool.adopt()
            left = None if timeout is None else end - time.monotonic()
            done = spool.wait_done(None if everything else spool.waiting(), left)
        finally:
            self._sender.hurry(0.0)
        lost_before, self._lost_before = self._lost_before, spool.lost
        return done and spool.lost == lost_before

    def close(self, timeout: float | None = None) -> None:
        """Flush for at most `timeout` s (or `exit_timeout`) and stop; what is not sent stays in the spool."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self._spool is None or self._sender is None:
            return  # a forked child that never logged
        self._flush(self._exit_timeout if timeout is None else timeout, everything=True)
        self._ended = True
        self._queue.mark()
        if self._writer is not None:
            self._writer.join(1.0)
        if self._writer is None or not self._writer.is_alive():
            self._drain()
        self._sender.stop()
        self._spool.close()

    def forget(self) -> None:
        """Drop threads, lines and files: in a forked child they are the parent's."""
        if self._spool is not None:
            self._spool.forget()
        self._reset()


_shippers: weakref.WeakSet[LogShipper] = weakref.WeakSet()


def _after_fork() -> None:
    for shipper in list(_shippers):
        shipper.forget()


# Forking while a thread imports a codec leaves the child with the import lock held for ever: import them now.
for _codec in ("idna", "utf-16-le"):  # used by every connection, and by `clean`
    codecs.lookup(_codec)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
