"""Ships a process's lines to a job's log: by way of a queue in memory and a spool on disk to the service."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import math
import os
import shlex
import sys
import threading
import time
import weakref
from functools import partial

from tunedeck_client.lines.text import clean, count, encode, report, rfc3339, say, split
from tunedeck_client.shipping.batch import POINTS
from tunedeck_client.shipping.line_queue import MAX_QUEUE_BYTES, Item, LineQueue, StepValues
from tunedeck_client.shipping.points import encode_points
from tunedeck_client.shipping.post import Post
from tunedeck_client.shipping.sender import PATIENCE, Sender
from tunedeck_client.shipping.spool import MAX_MEMORY_BYTES, Spool, state_folders

MAX_SPOOL_BYTES = 256 * 1024 * 1024
EXIT_TIMEOUT = 5.0  # s without a line stored, after which the end of a process waits no longer
CHILD_EXIT_TIMEOUT = 1.0  # s, of a forked worker: its parent adopts what it leaves


class LogShipper:
    """Owns the queue, the spool and the two threads between them and the service.

    One thread writes the queue to the spool, the other sends the spool, so that lines reach the disk while
    the service hangs. They begin with the first line, end with `stop`, and begin again with the next line. A
    forked child starts afresh, with threads and a spool of its own.

    A job that is yet to be created has no id: what is for it waits in `folder` until `set_job`.
    """

    def __init__(
        self,
        job_id: int | None,
        url: str,
        *,
        source: str,
        folder: str | None = None,
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
        is_number = isinstance(job_id, int) and not isinstance(job_id, bool) and job_id >= 1
        if not is_number and (job_id is not None or folder is None):
            raise ValueError(f"job_id must be an integer from 1 on, not {job_id!r}")
        self.destination = (job_id or 0, url.rstrip("/"))
        self._source = clean(source)[:255] or "kernel"
        self._folder = folder
        self._job_id = job_id
        self._new_post = partial(Post, url, token=token, timeout=timeout)
        self._post = self._new_post(job_id)  # a url or a token that cannot work is told now
        folder = folder or f"job-{job_id}"
        self._roots = [os.path.join(state, folder) for state in state_folders(url.rstrip("/"), spool_dir)]
        self._is_own_spool_dir = spool_dir is not None
        self._max_spool_bytes = max_spool_bytes
        self._max_queue_bytes = max_queue_bytes
        self._max_memory_bytes = max_memory_bytes
        self._exit_timeout = exit_timeout
        self._backoff = backoff
        self._patience = patience
        self._pid = os.getpid()
        self._is_exiting = False
        self._has_rest = False
        self._lost_by_earlier = 0
        self._lost_at_flush = 0
        self._reset()
        self._start()
        _shippers.add(self)

    def _reset(self) -> None:
        self._queue = LineQueue(self._max_queue_bytes)
        self._ended = False
        self._starting = threading.Lock()
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        self._threads: list[threading.Thread] = []
        self._seen_stored, self._progress_at = -1, 0.0

    def _start(self) -> Spool:
        with self._starting:
            if self._spool is None:
                self._has_rest = False
                self._spool = Spool(
                    self._roots, self._max_spool_bytes, self._source, max_memory_bytes=self._max_memory_bytes
                )
                self._post = self._new_post(self._job_id)
                self._sender = Sender(self._spool, self._post, self._source, self._backoff, self._patience)
                if not self._is_exiting:
                    self._at_exit()
                    self._start_threads(self._sender)
            return self._spool

    def _start_threads(self, sender: Sender) -> None:
        threads = [
            threading.Thread(target=target, name=f"tunedeck-{name}", daemon=True)
            for name, target in (("writer", self._write), ("sender", sender.run))
        ]
        with contextlib.suppress(RuntimeError):  # the interpreter shuts down: lines still reach the spool
            for thread in threads:
                thread.start()
            self._threads = threads

    def _at_exit(self) -> None:
        atexit.register(self.close)
        if os.getpid() != self._pid:
            # A multiprocessing worker runs no atexit handlers at its end, but finalizers of its own.
            util = sys.modules.get("multiprocessing.util")
            if util is not None:
                util.Finalize(None, self.close, args=(CHILD_EXIT_TIMEOUT,), exitpriority=0)

    def set_job(self, job_id: int, token: str | None = None) -> None:
        """Send to this job from now on, which was just created or claimed; by its token, if it has one."""
        if token is not None:
            self._new_post = partial(self._new_post, token=token)
            self._post.set_token(token)
        self._job_id = self._post.job_id = job_id
        self.destination = (job_id, self.destination[1])

    @property
    def lost(self) -> int:
        """How many lines were lost so far."""
        return self._lost_by_earlier + (self._spool.lost if self._spool else 0)

    def put(self, created: float, level: str, message: str) -> None:
        """Queue a line with its Unix time. Not thread-safe: `logging.Handler` holds its lock around it."""
        if self._spool is None:
            self._start()
        self._queue.put(created, level, message)
        if not self._threads:
            self._drain()  # no thread could be started: write to the spool here

    def put_output(self, lines: list[tuple[str, str]]) -> None:
        """Queue lines, each its level and its text, as of now, and wait for room for more.

        That is on the disk and, while the service takes lines, in the spool.
        """
        if not lines:
            return
        spool, now = self._spool or self._start(), time.time()
        for level, line in lines:
            self._queue.put(now, level, line, wait=True)
        if not self._threads:
            self._drain()
        elif not spool.has_room():
            self._wait_for_room(spool)

    def put_values(self, created: float, step: int, values: dict[str, float]) -> None:
        """Queue the metrics of a step with their Unix time, as `put` does a line."""
        if self._spool is None:
            self._start()
        self._queue.put_values(StepValues(created, step, values))
        if not self._threads:
            self._drain()

    def _wait_for_room(self, spool: Spool) -> None:
        """Wait while the service stores something: in an outage only the first line waits, and no longer."""
        while not spool.has_room():
            if self._stored != self._seen_stored:
                self._seen_stored, self._progress_at = self._stored, time.monotonic()
            elif time.monotonic() - self._progress_at >= self._exit_timeout:
                return
            time.sleep(0.01)

    @property
    def _stored(self) -> int:
        return self._sender.stored if self._sender else 0

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
        spool = self._spool or self._start()
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
            for dropped in self._queue.take_dropped():
                spool.lost += dropped.lines
                lines.append(report(dropped, self._source, "they came faster than the disk could take them"))
            spool.append(lines, is_urgent=is_urgent)
            spool.append(points, kind=POINTS)
        except Exception:
            spool.lost += len(items)
            raise
        finally:
            self._queue.taken(items)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def flush(self, timeout: float | None, *, everything: bool = False) -> bool:
        """Wait at most `timeout` s; True if all is stored and nothing was lost since the last flush.

        All is what this process has put so far, or `everything`: what it has adopted from dead ones as well.
        """
        is_stored = self._spool is None or self._is_stored(self._spool, timeout, everything=everything)
        lost_before, self._lost_at_flush = self._lost_at_flush, self.lost
        return is_stored and self.lost == lost_before

    def _is_stored(self, spool: Spool, timeout: float | None, *, everything: bool) -> bool:
        end = math.inf if timeout is None else time.monotonic() + timeout
        reached = self._queue.mark()
        if not self._threads or self._sender is None:
            self._drain()
            return not spool.waiting()
        self._sender.hurry(end)
        try:
            if not reached.wait(timeout):
                return False
            spool.adopt()
            left = None if timeout is None else end - time.monotonic()
            return spool.wait_done(None if everything else spool.waiting(), left)
        finally:
            self._sender.hurry(0.0)

    def drain(self, timeout: float) -> bool:
        """Wait until all is stored, for as long as something is stored every `timeout` s."""
        stored = -1
        while self._spool is not None and not self._is_stored(self._spool, timeout, everything=True):
            if stored == self._stored:
                return False
            stored = self._stored
        return True

    def rest(self, timeout: float) -> None:
        """Flush for at most `timeout` s and stop; the rest is sent from the next line on, or at the end."""
        if self._spool is not None and not self._is_stored(self._spool, timeout, everything=True):
            self.stop()
            atexit.register(self.close)
            self._has_rest = True
        else:
            self.stop()

    def close(self, timeout: float | None = None) -> bool:
        """End with the process: send for as long as the service takes, then say what waits and where.

        It gives up once nothing was stored for `timeout` s (or `exit_timeout`). False where a thread hangs.
        """
        if self._has_rest:
            self._start()
        self._is_exiting = True
        spool = self._spool
        if spool is None:
            return True  # it has stopped, or is a forked child that never logged
        self.drain(self._exit_timeout if timeout is None else timeout)
        has_ended = self.stop()
        self._say_what_waits(spool)
        return has_ended

    def stop(self) -> bool:
        """End the threads and give up the spool; False where one of them cannot be ended."""
        atexit.unregister(self.close)
        spool, sender, threads = self._spool, self._sender, self._threads
        if spool is None or sender is None:
            return True
        self._ended = True
        self._queue.mark()
        sender.stop()
        self._post.abort()
        for thread in threads:
            thread.join(1.0)
        has_ended = not any(thread.is_alive() for thread in threads)
        if has_ended:
            self._drain()
        spool.close()
        self._lost_by_earlier += spool.lost
        self._reset()
        return has_ended

    def _say_what_waits(self, spool: Spool) -> None:
        job_id, url = self.destination
        for folder, kinds in spool.waiting_records().items():
            records = ", ".join(count(number, kind.noun) for kind, number in sorted(kinds.items()))
            if folder is None:
                say(f"{records} lost: neither the service nor the disk took what was left")
                continue
            root = os.path.dirname(os.path.dirname(folder))
            option = f" --spool-dir {shlex.quote(root)}" if self._is_own_spool_dir else ""
            command = f"tunedeck-log --job {job_id} --url {shlex.quote(url)}{option} < /dev/null"
            if self._folder is not None:  # which tunedeck-log does not know
                option = option and f" --spool-dir {shlex.quote(os.path.dirname(os.path.dirname(root)))}"
                command = f"tunedeck run --report --logs-url {shlex.quote(url)}{option}"
            say(f"{records} not sent yet, kept in {folder}. To send them: {command}")

    def forget(self) -> None:
        """Drop threads, lines and files: in a forked child they are the parent's."""
        if self._spool is not None:
            self._spool.forget()
        self._is_exiting = self._has_rest = False
        self._lost_by_earlier = self._lost_at_flush = 0
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
