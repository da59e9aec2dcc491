"""The spool: batches that the service has not stored yet, bounded; on disk, or in memory where that fails."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from hashlib import sha256

from tunedeck_client.lines.text import loss_of, report
from tunedeck_client.shipping.batch import SUFFIX, Batch
from tunedeck_client.shipping.folder import OwnFolder, new_name

MAX_BATCH_LINES = 1_000
MAX_BATCH_BYTES = 1024 * 1024
MAX_MEMORY_BYTES = 16 * 1024 * 1024  # of batches that could not be written to disk


def roots_of(job_id: int, url: str, spool_dir: str | os.PathLike[str] | None) -> list[str]:
    """Return the folders to try in turn, in which the processes of a job keep their spools."""
    if spool_dir is not None:  # absolute, for the program may change its directory
        return [os.path.join(os.path.abspath(os.fspath(spool_dir)), f"job-{job_id}")]
    user = os.getuid() if hasattr(os, "getuid") else "user"
    service = sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
    states = [os.environ.get("XDG_STATE_HOME", ""), os.path.join(os.path.expanduser("~"), ".local", "state")]
    # A relative one is ignored (XDG Base Directory Specification); "~" stays where no home is known.
    bases = [os.path.join(state, "tunedeck") for state in states if os.path.isabs(state)][:1]
    bases.append(os.path.join(os.path.abspath(tempfile.gettempdir()), f"tunedeck-{user}"))
    return [os.path.join(base, service, f"job-{job_id}") for base in bases]


class Spool:
    """The batches in the order of their lines. Thread-safe; `changed` is notified of every change."""

    def __init__(
        self, roots: list[str], max_bytes: int, source: str, *, max_memory_bytes: int = MAX_MEMORY_BYTES
    ) -> None:
        self.changed = threading.Condition()
        self.lost = 0
        self._limits = {True: max_bytes, False: max_memory_bytes}
        self._batch_bytes = max(1, min(MAX_BATCH_BYTES, max_bytes // 8 or MAX_BATCH_BYTES))
        self._source = source
        self._batches: list[Batch] = []
        self._sending: Batch | None = None
        self._number = 0
        self._adopting = threading.Lock()
        self._roots = roots if max_bytes > 0 else []
        self._open_folder()

    def _open_folder(self) -> None:
        self._folder: OwnFolder | None = None
        for root in self._roots:
            with contextlib.suppress(OSError):
                self._folder = OwnFolder(root)
                break
        self._name = self._folder.name if self._folder else new_name()

    def append(self, lines: list[bytes], *, is_urgent: bool = False) -> None:
        """Add lines, on disk or else in memory; beyond either bound a report replaces the oldest batch.

        The oldest, because the newest lines say where the training stands and why it ended.
        """
        with self.changed:
            while lines:
                batch = self._growing()
                count = self._fitting(batch, lines)
                if count == 0:
                    batch.open = False
                    continue
                self._write(batch, lines[:count])
                self._batches[-1].is_urgent |= is_urgent
                lines = lines[count:]
            self._drop_excess()
            self.changed.notify_all()

    def _growing(self) -> Batch:
        if not self._batches or not self._batches[-1].open:
            if self._folder is not None and not os.path.isdir(self._folder.path):
                self._open_folder()  # somebody has cleaned up
            self._number += 1
            key = f"{self._name}-{self._number:08d}"
            self._batches.append(Batch(key, self._path(key)))
        return self._batches[-1]

    def _path(self, key: str) -> str | None:
        return os.path.join(self._folder.path, key + SUFFIX) if self._folder else None

    def _fitting(self, batch: Batch, lines: list[bytes]) -> int:
        size = batch.size
        for count, line in enumerate(lines):
            if batch.lines + count >= MAX_BATCH_LINES or (size and size + len(line) > self._batch_bytes):
                return count
            size += len(line)
        return len(lines)

    def _write(self, batch: Batch, lines: list[bytes]) -> None:
        try:
            batch.append(lines)
        except OSError:
            if batch.lines:
                batch.open = False  # what its file holds beyond `size` is part of a line, which is never read
                if batch.path is not None:
                    with contextlib.suppress(OSError):
                        os.truncate(batch.path, batch.size)
                self._number += 1
                self._batches.append(Batch(f"{self._name}-{self._number:08d}", None))
            else:
                batch.delete()
                batch.path = None
            self._batches[-1].append(lines)

    def _drop_excess(self) -> None:
        for on_disk, limit in self._limits.items():
            kind = [batch for batch in self._batches if (batch.path is not None) == on_disk]
            excess = sum(batch.size for batch in kind) - limit
            for batch in kind:
                if excess <= 0:
                    break
                if batch is not self._sending and batch.loss is None:
                    excess -= batch.size
                    self._drop(batch)

    def _drop(self, batch: Batch) -> None:
        place = self._batches.index(batch)
        try:
            lines = batch.read()
        except OSError:
            lines = []
        batch.delete()
        if not lines:
            del self._batches[place]
            return
        loss = loss_of(lines)
        self.lost += loss.lines
        before = self._batches[place - 1] if place else None
        if before is not None and before.loss is not None and before is not self._sending:
            loss = before.loss.joined(loss)
            before.delete()
            place -= 1
            del self._batches[place]
        key = batch.key + ".lost"
        replacement = Batch(key, self._path(key), loss)
        self._batches[place] = replacement
        line = report(loss, self._source, "no room was left while the service could not be reached")
        try:
            replacement.append([line])
        except OSError:
            replacement.path = None
            replacement.append([line])
        replacement.open = False

    def adopt(self) -> None:
        """Take over the batches of dead processes, ahead of ours, which are newer."""
        with self._adopting:
            paths = self._folder.adopt() if self._folder else []
            if paths:
                with self.changed:
                    place = 0 if self._sending is None else self._batches.index(self._sending) + 1
                    self._batches[place:place] = [Batch.from_file(path) for path in paths]
                    self._drop_excess()
                    self.changed.notify_all()

    def head(self) -> Batch | None:
        """Return the oldest batch. The caller holds `changed`."""
        return self._batches[0] if self._batches else None

    def hand_out(self, batch: Batch) -> None:
        """Close a batch for sending; it is not dropped until `done`. The caller holds `changed`."""
        batch.open = False
        self._sending = batch

    def done(self, batch: Batch) -> None:
        """Remove a batch that the service has stored or refused for good."""
        with self.changed:
            self._sending = None
            self._batches.remove(batch)
            batch.delete()
            self.changed.notify_all()

    def waiting(self) -> set[Batch]:
        """Return the batches that are not done."""
        with self.changed:
            return set(self._batches)

    def waiting_lines(self) -> dict[str | None, int]:
        """Count the lines that are not done, by the folder in which they are, or None: in memory."""
        counts: dict[str | None, int] = {}
        for batch in self.waiting():
            lines = batch.lines
            if batch.found:
                with contextlib.suppress(OSError):
                    lines = len(batch.read())
            folder = None if batch.path is None else os.path.dirname(batch.path)
            counts[folder] = counts.get(folder, 0) + lines
        return counts

    def has_room(self) -> bool:
        """Whether less than half of what the disk may take is taken."""
        with self.changed:
            return sum(batch.size for batch in self._batches) * 2 < self._limits[True]

    def wait_done(self, batches: set[Batch] | None, timeout: float | None) -> bool:
        """Wait until these batches, or all, are done or dropped; False after `timeout` s."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while any(batches is None or batch in batches for batch in self._batches):
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self.changed.wait(left)
        return True

    def close(self) -> None:
        """Leave the folder for the next process to adopt."""
        if self._folder is not None:
            self._folder.release()

    def forget(self) -> None:
        """Let go of the folder: in a forked child it is the parent's."""
        if self._folder is not None:
            self._folder.forget()
