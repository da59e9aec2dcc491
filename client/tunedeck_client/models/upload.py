"""Uploads a folder as a model and makes it ready: eight files or parts at once, resumed after a kill."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from typing import Any
from urllib.parse import quote

from tunedeck_client.errors import BadFolder, Conflict, NotFound
from tunedeck_client.models.local_files import LocalFile, base_model_of, list_files
from tunedeck_client.models.parted_upload import PartedUpload, send_section
from tunedeck_client.models.task_pool import Task, TaskPool
from tunedeck_client.models.transfer import OnProgress, Progress, opened_service
from tunedeck_client.models.upload_state import UploadState
from tunedeck_client.transport.connections import Section
from tunedeck_client.transport.pages import read_pages
from tunedeck_client.transport.service import PATIENCE, Service

AT_ONCE = 8
"""A store is slow to acknowledge a part, and idle meanwhile."""

SMALLEST_IN_PARTS = 16 * 1024 * 1024


def upload_model(
    folder: str | os.PathLike[str],
    *,
    url: str | None = None,
    base_model: str | None = None,
    name: str | None = None,
    job_id: int | None = None,
    token: str | None = None,
    include_state: bool = False,
    on_progress: OnProgress | None = None,
    patience: float = PATIENCE,
) -> dict[str, Any]:
    """Upload a folder as a model, make it ready and return its record.

    `url` is the gateway's address, with or without `/api/v1`; it and `token` are `TUNEDECK_URL` and
    `TUNEDECK_TOKEN` unless given. `base_model` comes from the folder's `adapter_config.json` unless given,
    `name` is the folder's. Hidden files and, without `include_state`, what only a resumed training needs are
    left out. The same call after a kill goes on where it stopped; what the service has is not sent again.
    `on_progress` is called for each file first with 0, then ten times a second at most, last with its size;
    from several threads, but never from two at once.

    Raises BadFolder (also for a file that changes meanwhile), Refused and Unreachable; ValueError for an
    address or a token that cannot work.
    """
    place = os.path.abspath(os.fspath(folder))
    with opened_service(url, token, patience) as service:
        files = list_files(place, include_state=include_state)
        named = base_model or base_model_of(place)
        if named is None:
            raise BadFolder(
                f"{folder} has no adapter_config.json that names its base model;"
                " name it with --base-model (base_model in Python)"
            )
        record = {"name": name or os.path.basename(place), "base_model": named, "job_id": job_id}
        with contextlib.closing(UploadState(place, service.url, record)) as state:
            return _Upload(service, state, Progress(service, on_progress)).run(record, files)


class _Upload:
    def __init__(self, service: Service, state: UploadState, progress: Progress) -> None:
        self._service = service
        self._state = state
        self._progress = progress
        self._model = ""
        self._there: dict[str, dict[str, Any]] = {}

    def run(self, record: dict[str, Any], files: list[LocalFile]) -> dict[str, Any]:
        for file in files:
            self._report(file, 0)
        finished = self._begin(record, files)
        if finished is not None:
            return finished
        self._clear(files)
        TaskPool(self._service.abort, AT_ONCE).run(
            [functools.partial(self._send_file, file) for file in files]
        )
        # One whose answer was lost was begun twice, and would keep the model open.
        self._delete_uploads(set())
        # What an earlier try had sent when it was broken off may have been stored since.
        self._delete_others({file.path for file in files})
        ready = self._service.call("PUT", self._model, {"status": "ready"})
        self._state.forget()
        return ready

    def _begin(self, record: dict[str, Any], files: list[LocalFile]) -> dict[str, Any] | None:
        """Create the model, or find the one that an earlier try created; return it where that finished it."""
        model = self._create(record)
        if model["status"] == "ready":
            self._there = {found["path"]: found for found in self._list("files")}
            if len(self._there) == len(files) and all(self._is_there(file, file.digest()) for file in files):
                self._state.forget()
                return model
            self._there = {}
            self._state.restart()
            model = self._create(record)
        if model["status"] == "error":
            self._service.call("PUT", self._model, {"status": "uploading"})
        return None

    def _create(self, record: dict[str, Any]) -> dict[str, Any]:
        model = self._service.call("POST", "/models", record, {"Idempotency-Key": self._state.key})
        self._model = f"/models/{model['ID']}"
        return model

    def _clear(self, files: list[LocalFile]) -> None:
        """Find what an earlier try left, and remove what of it is not to be in the model."""
        wanted = {file.path for file in files}
        self._delete_uploads({known[0] for path, known in self._state.uploads.items() if path in wanted})
        self._there = self._delete_others(wanted)

    def _delete_others(self, wanted: set[str]) -> dict[str, dict[str, Any]]:
        """Remove the files that are not to be in the model, and return those that are, by path."""
        found = {file["path"]: file for file in self._list("files")}
        for path in found.keys() - wanted:
            self._delete(f"files/{quote(path)}")
        return {path: file for path, file in found.items() if path in wanted}

    def _delete_uploads(self, kept: set[int]) -> None:
        for upload in self._list("uploads"):
            if upload["status"] == "open" and upload["upload_id"] not in kept:
                self._delete(f"uploads/{upload['upload_id']}")

    def _list(self, what: str) -> list[dict[str, Any]]:
        return read_pages(self._service, f"{self._model}/{what}", {}, math.inf)

    def _delete(self, what: str) -> None:
        with contextlib.suppress(NotFound, Conflict):  # it is gone, or completed, since it was listed
            self._service.call("DELETE", f"{self._model}/{what}")

    def _report(self, file: LocalFile, sent: int) -> None:
        self._progress(file.path, sent, file.size)

    def _send_file(self, file: LocalFile) -> list[Task] | None:
        digest = file.digest()
        if self._is_there(file, digest):
            self._report(file, file.size)
        elif file.size < SMALLEST_IN_PARTS:
            self._put(file, digest)
        else:
            return PartedUpload(self._service, self._state, self._model, file, digest, self._progress).tasks()
        return None

    def _is_there(self, file: LocalFile, digest: str) -> bool:
        found = self._there.get(file.path)
        if found is None or found["size"] != file.size or found.get("error"):
            return False
        # What came in parts the service reads again later, and has no checksum until then.
        return bool((found["sha256"] or self._state.done.get(file.path)) == digest)

    def _put(self, file: LocalFile, digest: str) -> None:
        with file.open() as opened:
            section = Section(opened, 0, file.size, functools.partial(self._report, file))
            place = f"/api/v1{self._model}/files/{quote(file.path)}"
            send_section(self._service, file, place, section, {"x-checksum-sha256": digest})
