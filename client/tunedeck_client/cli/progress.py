"""Progress bars of transfers and evaluations, on stderr where that is a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from tunedeck_client.cli.output import printable

Self = TypeVar("Self", bound="_Bars")

_BARS = 12
"""With more files there is one bar for all of them."""

_EVERY_S = 0.1
"""How often a file's bar moves, at most: rich takes 30 µs for it, and a file is told of every 128 KiB."""


class _Bars:
    """Bars that are shown for a block."""

    def __init__(self, *columns: ProgressColumn) -> None:
        shown = (TextColumn("{task.description}"), BarColumn(), *columns)
        console = Console(stderr=True)
        self._progress = Progress(*shown, console=console, transient=True, disable=not sys.stderr.isatty())

    def __enter__(self: Self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()


class TransferProgress(_Bars):
    """A bar for each file, or one for many; given to a transfer as its `on_progress`."""

    def __init__(self) -> None:
        super().__init__(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._bars: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._whole: TaskID | None = None
        self._moves_at: dict[str, float] = {}

    def __call__(self, path: str, done: int, size: int) -> None:
        is_new = path not in self._sizes
        now = time.monotonic()
        if not is_new and done < size and now < self._moves_at[path]:
            return
        self._moves_at[path] = now + _EVERY_S
        self._sizes[path], self._done[path] = size, done
        if self._whole is None and len(self._sizes) > _BARS:
            for bar in self._bars.values():
                self._progress.remove_task(bar)
            self._whole = self._progress.add_task("all files")
        if self._whole is not None:
            total, sent = sum(self._sizes.values()), sum(self._done.values())
            self._progress.update(self._whole, completed=sent, total=total)
            return
        if is_new:
            self._bars[path] = self._progress.add_task(printable(path).replace("[", r"\["), total=size)
        self._progress.update(self._bars[path], completed=done)


class EvaluationProgress(_Bars):
    """The bar of an evaluation: answers stored, and the time that the service thinks is left."""

    def __init__(self) -> None:
        super().__init__(MofNCompleteColumn(), TextColumn("{task.fields[eta]}"))
        self._bar = self._progress.add_task("pending", total=None, eta="")

    def __call__(self, evaluation: dict[str, Any]) -> None:
        at = evaluation["progress"] or {}
        eta = at.get("eta_seconds")
        self._progress.update(
            self._bar,
            description=evaluation["status"],
            completed=at.get("answers", at.get("done")) or 0,
            total=at.get("answers_total", at.get("total")),
            eta="" if eta is None else f"{_duration(eta)} left",
        )


def _duration(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
