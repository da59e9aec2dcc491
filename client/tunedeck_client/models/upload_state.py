"""What an upload must know after a kill: its model's idempotency key and its multipart uploads, on disk."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid
from hashlib import sha256
from typing import Any

from tunedeck_client.errors import BadFolder
from tunedeck_client.file_locks import open_lock, try_lock
from tunedeck_client.json_objects import read_object, write_object
from tunedeck_client.user_folders import state_folders


class UploadState:
    """The state of one folder's upload, locked while a process has it; raises BadFolder where another does.

    `key` makes one model of any number of tries; `uploads` has the id and the SHA-256 of each multipart
    upload by path, `done` the SHA-256 of each file that was sent so. Where nothing can be written it lasts as
    long as the process.
    """

    def __init__(self, folder: str, url: str, record: dict[str, Any]) -> None:
        said = json.dumps([os.path.realpath(folder), url, record], sort_keys=True)
        name = sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._path = os.path.join(state_folders()[0], "uploads", f"{name}.json")
        self._changing = threading.Lock()
        self._lock = self._locked(folder)
        known = read_object(self._path) or {}
        self.key: str = known.get("key") or f"upload-{uuid.uuid4().hex}"
        self.uploads: dict[str, list[Any]] = known.get("uploads") or {}
        self.done: dict[str, str] = known.get("done") or {}
        self._write()

    def _locked(self, folder: str) -> int | None:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            while True:
                lock = open_lock(f"{self._path}.lock")
                is_ours = try_lock(lock)
                if is_ours is False:
                    os.close(lock)
                    raise BadFolder(f"{folder} is being uploaded by another process")
                with contextlib.suppress(FileNotFoundError):
                    if is_ours is None or os.path.samestat(os.fstat(lock), os.stat(f"{self._path}.lock")):
                        return lock
                os.close(lock)  # its owner removed it just now: that of the next one is another file
        return None

    def _write(self) -> None:
        write_object(self._path, {"key": self.key, "uploads": self.uploads, "done": self.done})

    def begin(self, path: str, upload_id: int, digest: str) -> None:
        """Remember a multipart upload."""
        with self._changing:
            self.uploads[path] = [upload_id, digest]
            self._write()

    def complete(self, path: str, digest: str) -> None:
        """Remember that a multipart upload is completed."""
        with self._changing:
            self.uploads.pop(path, None)
            self.done[path] = digest
            self._write()

    def restart(self) -> None:
        """Forget the model, which is no longer there to be gone on with."""
        with self._changing:
            self.key, self.uploads, self.done = f"upload-{uuid.uuid4().hex}", {}, {}
            self._write()

    def forget(self) -> None:
        """Remove the state: the model is ready, and the next upload of the folder is another one."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def close(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                if not os.path.exists(self._path):
                    os.unlink(f"{self._path}.lock")
                os.close(self._lock)
            self._lock = None
