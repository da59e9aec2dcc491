"""Ships a process's lines to a job's log, from its first line to its end, through forks and restarts."""

from __future__ import annotations

import atexit
import codecs
import os
import sys
import threading
import time
import weakref
from functools import partial

from tunedeck_client.lines.text import clean
from tunedeck_client.shipping.last_words import say_what_waits
from tunedeck_client.shipping.line_queue import MAX_QUEUE_BYTES, LineQueue, Record, StepValues
from tunedeck_client.shipping.pipeline import Pipeline
from tunedeck_client.shipping.post import Post
from tunedeck_client.shipping.sender import PATIENCE
from tunedeck_client.shipping.spool import MAX_MEMORY_BYTES, Spool, state_folders
from tunedeck_client.transport.address import base_url

MAX_SPOOL_BYTES = 256 * 1024 * 1024
EXIT_TIMEOUT = 5.0  # s without a line stored, after which the end of a process waits no longer
CHILD_EXIT_TIMEOUT = 1.0  # s, of a forked worker: its parent adopts what it leaves


class LogShipper:
    """Owns the pipeline, which begins with the first line, ends with `stop`, and begins again with the next.

    A forked child starts afresh, with threads and a spool of its own.

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
        url = base_url(url)
        self.destination = (job_id or 0, url)
        self._is_of_run = folder is not None
        self._job_id = job_id
        self._new_post = partial(Post, url, token=token, timeout=timeout)
        self._post = self._new_post(job_id)  # a token that cannot work is told now
        source = clean(source)[:255] or "kernel"
        folder = folder or f"job-{job_id}"
        roots = [os.path.join(state, folder) for state in state_folders(url, spool_dir)]
        self._new_queue = partial(LineQueue, max_queue_bytes)
        self._new_spool = partial(Spool, roots, max_spool_bytes, source, max_memory_bytes=max_memory_bytes)
        self._new_pipeline = partial(Pipeline, source=source, backoff=backoff, patience=patience)
        self._is_own_spool_dir = spool_dir is not None
        self._exit_timeout = exit_timeout
        self._pid = os.getpid()
        self._is_exiting = False
        self._has_rest = False
        self._lost_by_earlier = 0
        self._lost_at_flush = 0
        self._starting = threading.Lock()
        self._pipeline: Pipeline | None = None
        self._start()
        _shippers.add(self)

    def _start(self) -> Pipeline:
        with self._starting:
            if self._pipeline is None:
                self._has_rest = False
                self._post = self._new_post(self._job_id)
                self._pipeline = self._new_pipeline(self._new_queue(), self._new_spool(), self._post)
                if not self._is_exiting:
                    self._at_exit()
                    self._pipeline.start()
            return self._pipeline

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
        return self._lost_by_earlier + (self._pipeline.spool.lost if self._pipeline else 0)

    def put(self, created: float, level: str, message: str) -> None:
        """Queue a line with its Unix time. Not thread-safe: `logging.Handler` holds its lock around it."""
        self._put((created, level, message))

    def put_values(self, created: float, step: int, values: dict[str, float]) -> None:
        """Queue the metrics of a step with their Unix time, as `put` does a line."""
        self._put(StepValues(created, step, values))

    def _put(self, record: Record) -> None:
        pipeline = self._pipeline or self._start()
        pipeline.queue.put(record)
        pipeline.pass_on()

    def put_output(self, lines: list[tuple[str, str]]) -> None:
        """Queue lines, each its level and its text, as of now, and wait for room for more.

        That is on the disk and, while the service takes lines, in the spool.
        """
        if not lines:
            return
        pipeline, now = self._pipeline or self._start(), time.time()
        for level, line in lines:
            pipeline.queue.put((now, level, line), wait=True)
        pipeline.pass_on()
        pipeline.wait_for_room(self._exit_timeout)

    def flush(self, timeout: float | None) -> bool:
        """Wait at most `timeout` s; True if all put so far is stored and nothing was lost since the last."""
        is_stored = self._pipeline is None or self._pipeline.is_stored(timeout)
        lost_before, self._lost_at_flush = self._lost_at_flush, self.lost
        return is_stored and self.lost == lost_before

    def drain(self, timeout: float) -> bool:
        """Wait until all is stored, for as long as something is stored every `timeout` s."""
        return self._pipeline is None or self._pipeline.drain(timeout)

    def rest(self, timeout: float) -> None:
        """Flush for at most `timeout` s and stop; the rest is sent from the next line on, or at the end."""
        has_rest = self._pipeline is not None and not self._pipeline.is_stored(timeout, everything=True)
        self.stop()
        if has_rest:
            atexit.register(self.close)
            self._has_rest = True

    def close(self, timeout: float | None = None) -> bool:
        """End with the process: send for as long as the service takes, then say what waits and where.

        It gives up once nothing was stored for `timeout` s (or `exit_timeout`). False where a thread hangs.
        """
        if self._has_rest:
            self._start()
        self._is_exiting = True
        pipeline = self._pipeline
        if pipeline is None:
            return True  # it has stopped, or is a forked child that never logged
        self.drain(self._exit_timeout if timeout is None else timeout)
        has_ended = self.stop()
        say_what_waits(
            pipeline.spool, *self.destination, is_own_dir=self._is_own_spool_dir, is_of_run=self._is_of_run
        )
        return has_ended

    def stop(self) -> bool:
        """End the pipeline; False where one of its threads cannot be ended."""
        atexit.unregister(self.close)
        pipeline, has_ended = self._pipeline, True
        if pipeline is not None:
            has_ended = pipeline.stop()
            self._lost_by_earlier += pipeline.spool.lost
            self._pipeline = None
        return has_ended

    def forget(self) -> None:
        """Drop threads, lines and files: in a forked child they are the parent's."""
        if self._pipeline is not None:
            self._pipeline.spool.forget()
        self._is_exiting = self._has_rest = False
        self._lost_by_earlier = self._lost_at_flush = 0
        self._starting, self._pipeline = threading.Lock(), None


_shippers: weakref.WeakSet[LogShipper] = weakref.WeakSet()


def _after_fork() -> None:
    for shipper in list(_shippers):
        shipper.forget()


# Forking while a thread imports a codec leaves the child with the import lock held for ever: import them now.
for _codec in ("idna", "utf-16-le"):  # used by every connection, and by `clean`
    codecs.lookup(_codec)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
