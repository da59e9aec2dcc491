"""Progress bars of transfers and evaluations, on stderr where that is a terminal."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterator

from tunedeck_client.cli.output import printable
from tunedeck_client.models.transfer import OnProgress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_BARS = 12
"""With more files there is one bar for all of them."""


@contextlib.contextmanager
def transfer_progress() -> Iterator[OnProgress | None]:
    """Give for a block what a transfer takes as its `on_progress`."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    with _bars(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as progress:
        yield _TransferBars(progress)


@contextlib.contextmanager
def evaluation_progress() -> Iterator[Callable[[dict[str, Any]], None] | None]:
    """Give for a block what `Tunedeck.wait` takes as its `on_progress`: answers stored, and the time left."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import MofNCompleteColumn, TextColumn

    with _bars(MofNCompleteColumn(), TextColumn("{task.fields[eta]}")) as progress:
        bar = progress.add_task("pending", total=None, eta="")

        def show(evaluation: dict[str, Any]) -> None:
            at = evaluation["progress"] or {}
            eta = at.get("eta_seconds")
            progress.update(
                bar,
                description=evaluation["status"],
                completed=at.get("answers", at.get("done")) or 0,
                total=at.get("answers_total", at.get("total")),
                eta="" if eta is None else f"{_duration(eta)} left",
            )

        yield show


def _bars(*columns: Any) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    shown = (TextColumn("{task.description}"), BarColumn(), *columns)
    return Progress(*shown, console=Console(stderr=True), transient=True)


class _TransferBars:
    """A bar for each file, or one for many."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._whole: TaskID | None = None

    def __call__(self, path: str, done: int, size: int) -> None:
        is_new = path not in self._sizes
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


def _duration(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
