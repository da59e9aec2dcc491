"""Runs tasks some at once: a task's follow-ups come before those that wait, and the first error ends all."""

from __future__ import annotations

import time
from collections import deque
from threading import Condition, Thread
from typing import Any, Callable, Iterable, Optional

WORKERS = 4
JOIN_WITHIN_S = 5.0

# A task may return follow-ups, tasks as well (a recursive type, which mypy has no alias for on Python 3.8).
Task = Callable[[], Optional[Iterable[Any]]]


class TaskPool:
    """Runs tasks in daemon threads; `abort` breaks off those that run once an error, or Ctrl-C, ends all."""

    def __init__(self, abort: Callable[[], None], workers: int = WORKERS) -> None:
        self._abort = abort
        self._workers = workers
        self._tasks: deque[Task] = deque()
        self._running = 0
        self._error: BaseException | None = None
        self._changed = Condition()

    def run(self, tasks: Iterable[Task]) -> None:
        """Run all tasks and their follow-ups, then return; raise the first error of any."""
        self._tasks.extend(tasks)
        threads = [Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        try:
            for thread in threads:
                thread.start()
            with self._changed:
                self._changed.wait_for(lambda: self._error or not (self._tasks or self._running))
        finally:
            self._end(threads)
        if self._error is not None:
            raise self._error

    def _end(self, threads: list[Thread]) -> None:
        with self._changed:
            is_early = bool(self._tasks or self._running)
            self._tasks.clear()
            self._workers = 0
            self._changed.notify_all()
        if is_early:
            self._abort()
        deadline = time.monotonic() + JOIN_WITHIN_S
        for thread in threads:
            if thread.is_alive():
                thread.join(max(deadline - time.monotonic(), 0))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks or not self._workers)
                if not self._workers:
                    return
                task = self._tasks.popleft()
                self._running += 1
            follow_ups: list[Task] = []
            error = None
            try:
                follow_ups = list(task() or ())
            except BaseException as raised:
                error = raised
            with self._changed:
                self._running -= 1
                self._tasks.extendleft(reversed(follow_ups))
                self._error = self._error or error
                self._changed.notify_all()
