"""The spool: batches that the service has not stored yet, bounded; on disk, or in memory where that fails."""

from __future__ import annotations

import contextlib
import os
import threading
from hashlib import sha256

from tunedeck_client import user_folders
from tunedeck_client.lines.text import loss_of, report
from tunedeck_client.shipping.batch import LINES, POINTS, Batch, Kind
from tunedeck_client.shipping.folder import OwnFolder, new_name

MAX_BATCH_LINES = 1_000
MAX_BATCH_BYTES = 1024 * 1024
MAX_MEMORY_BYTES = 16 * 1024 * 1024  # of batches that could not be written to disk


def state_folders(url: str, spool_dir: str | os.PathLike[str] | None) -> list[str]:
    """Return the folders to try in turn, in which what is meant for a service waits."""
    if spool_dir is not None:  # absolute, for the program may change its directory
        return [os.path.abspath(os.fspath(spool_dir))]
    service = sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
    return [os.path.join(base, service) for base in user_folders.state_folders()]


class Spool:
    """The batches, in the order of their records. Thread-safe; `changed` is notified of every change."""

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

    def append(self, lines: list[bytes], *, kind: Kind = LINES, is_urgent: bool = False) -> None:
        """Add records, on disk or else in memory; beyond either bound a report replaces the oldest batch.

        The oldest, because the newest lines say where the training stands and why it ended.
        """
        with self.changed:
            while lines:
                batch = self._growing(kind)
                count = self._fitting(batch, lines)
                if count == 0:
                    batch.open = False
                    continue
                self._write(batch, lines[:count]).is_urgent |= is_urgent
                lines = lines[count:]
            self._drop_excess()
            self.changed.notify_all()

    def _growing(self, kind: Kind) -> Batch:
        for batch in reversed(self._batches):
            if batch.kind == kind:
                if batch.open:
                    return batch
                break
        if self._folder is not None and not os.path.isdir(self._folder.path):
            self._open_folder()  # somebody has cleaned up
        key = self._new_key()
        self._batches.append(Batch(key, self._path(key, kind), kind=kind))
        return self._batches[-1]

    def _new_key(self) -> str:
        self._number += 1
        return f"{self._name}-{self._number:08d}"

    def _path(self, key: str, kind: Kind) -> str | None:
        return os.path.join(self._folder.path, key + kind.suffix) if self._folder else None

    def _fitting(self, batch: Batch, lines: list[bytes]) -> int:
        size = batch.size
        for count, line in enumerate(lines):
            if batch.lines + count >= MAX_BATCH_LINES or (size and size + len(line) > self._batch_bytes):
                return count
            size += len(line)
        return len(lines)

    def _write(self, batch: Batch, lines: list[bytes]) -> Batch:
        """Write lines to the batch, or to one in memory where the disk fails; the batch that has them."""
        try:
            batch.append(lines)
        except OSError:
            if batch.lines:
                batch.open = False  # what its file holds beyond `size` is part of a line, which is never read
                if batch.path is not None:
                    with contextlib.suppress(OSError):
                        os.truncate(batch.path, batch.size)
                batch = Batch(self._new_key(), None, kind=batch.kind)
                self._batches.append(batch)
            else:
                batch.delete()
                batch.path = None
            batch.append(lines)
        return batch

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
        loss = loss_of(lines, batch.kind.noun)
        self.lost += loss.lines
        before = self._batches[place - 1] if place else None
        told = before.loss if before is not None and before is not self._sending else None
        if before is not None and told is not None and told.noun == loss.noun:
            loss = told.joined(loss)
            before.delete()
            place -= 1
            del self._batches[place]
        key = batch.key + ".lost"
        replacement = Batch(key, self._path(key, LINES), loss)
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
                    adopted = [Batch.from_file(path) for path in paths]
                    for kind in (LINES, POINTS):
                        place = self._first_place(kind)
                        self._batches[place:place] = [batch for batch in adopted if batch.kind == kind]
                    self._drop_excess()
                    self.changed.notify_all()

    def _first_place(self, kind: Kind) -> int:
        """Return the place of the oldest batch of a kind that is not being sent."""
        sending = self._sending
        return self._batches.index(sending) + 1 if sending is not None and sending.kind == kind else 0

    def head(self, kind: Kind | None = None) -> Batch | None:
        """Return the oldest batch, or the oldest of a kind. The caller holds `changed`."""
        return next((batch for batch in self._batches if kind in (None, batch.kind)), None)

    def hand_out(self, batch: Batch) -> None:
        """Close a batch for sending; it is not dropped until `done`. The caller holds `changed`."""
        batch.open = False
        self._sending = batch

    def give_back(self, batch: Batch) -> None:
        """Leave a batch that was handed out for a later attempt."""
        with self.changed:
            if self._sending is batch:
                self._sending = None

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

    def waiting_records(self) -> dict[str | None, dict[Kind, int]]:
        """Count the records that are not done, by the folder in which they are, or None: in memory."""
        counts: dict[str | None, dict[Kind, int]] = {}
        for batch in self.waiting():
            lines = batch.lines
            if batch.found:
                with contextlib.suppress(OSError):
                    lines = len(batch.read())
            folder = None if batch.path is None else os.path.dirname(batch.path)
            kinds = counts.setdefault(folder, {})
            kinds[batch.kind] = kinds.get(batch.kind, 0) + lines
        return counts

    def has_room(self) -> bool:
        """Whether less than half of what the disk may take is taken."""
        with self.changed:
            return sum(batch.size for batch in self._batches) * 2 < self._limits[True]

    def wait_done(self, batches: set[Batch] | None, timeout: float | None) -> bool:
        """Wait until these batches, or all, are done or dropped; False after `timeout` s."""
        with self.changed:
            return self.changed.wait_for(
                lambda: not any(batches is None or batch in batches for batch in self._batches), timeout
            )

    def close(self) -> None:
        """Leave the folder for the next process to adopt."""
        if self._folder is not None:
            self._folder.release()

    def forget(self) -> None:
        """Let go of the folder: in a forked child it is the parent's."""
        if self._folder is not None:
            self._folder.forget()
