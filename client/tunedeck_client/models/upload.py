"""Uploads a folder as a model and makes it ready: eight files or parts at once, resumed after a kill."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from typing import Any, Callable, Iterator
from urllib.parse import quote

from tunedeck_client.errors import BadFolder, Conflict, NotFound, Refused
from tunedeck_client.models.local_files import LocalFile, base_model_of, list_files
from tunedeck_client.models.task_pool import Task, TaskPool
from tunedeck_client.models.upload_state import UploadState
from tunedeck_client.transport.connections import FileShrank, Section
from tunedeck_client.transport.service import PATIENCE, Service, Stopped

AT_ONCE = 8
"""A store is slow to acknowledge a part, and idle meanwhile."""

SMALLEST_IN_PARTS = 16 * 1024 * 1024
PAGE = 100

OnProgress = Callable[[str, int, int], None]
"""Is told a file's path in the model, how many of its bytes have gone out, and its size."""


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
    `on_progress` is called for each file first with 0, from several threads but never from two at once.

    Raises BadFolder (also for a file that changes meanwhile), Refused and Unreachable; ValueError for an
    address or a token that cannot work.
    """
    stop = threading.Event()
    place = os.path.abspath(os.fspath(folder))
    service = Service(
        url or os.environ.get("TUNEDECK_URL") or "http://localhost:8080",
        token or os.environ.get("TUNEDECK_TOKEN"),
        stop=stop,
        patience=patience,
    )
    files = list_files(place, include_state=include_state)
    named = base_model or base_model_of(place)
    if named is None:
        raise BadFolder(
            f"{folder} has no adapter_config.json that names its base model;"
            " name it with --base-model (base_model in Python)"
        )
    record = {"name": name or os.path.basename(place), "base_model": named, "job_id": job_id}
    state = UploadState(place, service.url, record)
    try:
        return _Upload(service, state, on_progress or (lambda path, sent, size: None)).run(record, files)
    finally:
        state.close()
        service.close()


class _Upload:
    def __init__(self, service: Service, state: UploadState, on_progress: OnProgress) -> None:
        self._service = service
        self._state = state
        self._on_progress = on_progress
        self._reporting = threading.Lock()
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
        self._delete_uploads(
            set()
        )  # one whose answer was lost was begun twice, and would keep the model open
        ready = self._service.call("PUT", self._model, {"status": "ready"})
        self._state.forget()
        return ready

    def _begin(self, record: dict[str, Any], files: list[LocalFile]) -> dict[str, Any] | None:
        """Create the model, or find the one that an earlier try created; return it where that finished it."""
        model = self._create(record)
        if model["status"] == "ready":
            self._there = {found["path"]: found for found in self._pages("files")}
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
        for found in self._pages("files"):
            if found["path"] in wanted:
                self._there[found["path"]] = found
            else:
                self._delete(f"files/{quote(found['path'])}")

    def _delete_uploads(self, kept: set[int]) -> None:
        for upload in self._pages("uploads"):
            if upload["status"] == "open" and upload["upload_id"] not in kept:
                self._delete(f"uploads/{upload['upload_id']}")

    def _pages(self, what: str) -> Iterator[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        number, total = 1, 1
        while len(found) < total:
            page = self._service.call("GET", f"{self._model}/{what}?page={number}&limit={PAGE}")
            if not page["data"]:
                break
            found += page["data"]
            number, total = number + 1, page["total"]
        return iter(found)

    def _delete(self, what: str) -> None:
        with contextlib.suppress(NotFound, Conflict):  # it is gone, or completed, since it was listed
            self._service.call("DELETE", f"{self._model}/{what}")

    def _report(self, file: LocalFile, sent: int) -> None:
        if self._service.stop.is_set():
            raise Stopped("stopped")
        with self._reporting:
            self._on_progress(file.path, sent, file.size)

    def _send_file(self, file: LocalFile) -> list[Task]:
        digest = file.digest()
        if self._is_there(file, digest):
            self._report(file, file.size)
            return []
        if file.size < SMALLEST_IN_PARTS:
            self._put(file, digest)
            return []
        return _PartedUpload(self._service, self._state, self._model, file, digest, self._report).tasks()

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
            _send_section(self._service, file, place, section, {"x-checksum-sha256": digest})


class _PartedUpload:
    """One large file on its way: its parts, and what completes them."""

    def __init__(
        self,
        service: Service,
        state: UploadState,
        model: str,
        file: LocalFile,
        digest: str,
        report: Callable[[LocalFile, int], None],
    ) -> None:
        self._service = service
        self._state = state
        self._uploads = f"{model}/uploads"
        self._file = file
        self._digest = digest
        self._tell = report
        self._counting = threading.Lock()
        self._sent: dict[int, int] = {}
        self._etags: dict[int, str] = {}
        self._place = ""
        self._part_size = 0
        self._missing = 0

    def tasks(self) -> list[Task]:
        """Begin the upload, or find the one that was begun, and return a task for each missing part."""
        upload = self._find() or self._begin()
        self._place = f"{self._uploads}/{upload['upload_id']}"
        self._part_size = upload["part_size"]
        for part in upload["uploaded"]:
            self._etags[part["number"]] = part["etag"]
            self._sent[part["number"]] = self._size_of(part["number"])
        self._report()
        if not upload["parts"]:
            return [self._complete]
        self._missing = len(upload["parts"])
        return [functools.partial(self._send_part, part["number"], part["url"]) for part in upload["parts"]]

    def _find(self) -> dict[str, Any] | None:
        upload_id, digest = self._state.uploads.get(self._file.path) or (None, None)
        if upload_id is None:
            return None
        place = f"{self._uploads}/{upload_id}"
        with contextlib.suppress(NotFound, Conflict):
            upload = self._service.call("GET", place)
            if digest == self._digest:
                return upload
            self._service.call("DELETE", place)  # of another content
        return None

    def _begin(self) -> dict[str, Any]:
        body = {"path": self._file.path, "size": self._file.size, "sha256": self._digest}
        upload = self._service.call("POST", self._uploads, body)
        self._state.begin(self._file.path, upload["upload_id"], self._digest)
        return upload

    def _size_of(self, number: int) -> int:
        return min(self._part_size, self._file.size - (number - 1) * self._part_size)

    def _report(self) -> None:
        with self._counting:
            sent = sum(self._sent.values())
        self._tell(self._file, sent)

    def _count(self, number: int, sent: int) -> None:
        with self._counting:
            self._sent[number] = sent
        self._report()

    def _send_part(self, number: int, url: str) -> list[Task]:
        with self._file.open() as opened:
            section = Section(
                opened,
                (number - 1) * self._part_size,
                self._size_of(number),
                functools.partial(self._count, number),
            )
            try:
                etag = _send_section(self._service, self._file, url, section, {})
            except Refused as error:
                if error.status != 403:
                    raise
                # The link is of yesterday.
                fresh = self._fresh_url(number, url)
                etag = _send_section(self._service, self._file, fresh, section, {})
        with self._counting:
            self._etags[number] = etag
            self._missing -= 1
            is_last = self._missing == 0
        return [self._complete] if is_last else []

    def _fresh_url(self, number: int, url: str) -> str:
        parts = self._service.call("GET", self._place)["parts"]
        return next((str(part["url"]) for part in parts if part["number"] == number), url)

    def _complete(self) -> list[Task]:
        parts = [{"number": number, "etag": etag} for number, etag in sorted(self._etags.items())]
        with self._file.open():  # which fails for a file that changed
            self._service.call("POST", f"{self._place}/complete", {"parts": parts})
        self._state.complete(self._file.path, self._digest)
        self._tell(self._file, self._file.size)
        return []


def _send_section(
    service: Service, file: LocalFile, place: str, section: Section, headers: dict[str, str]
) -> str:
    """PUT a part of a file and return the ETag of the answer."""
    try:
        answer = service.send("PUT", place, section, headers)
    except FileShrank:
        raise BadFolder(f"{file.source} changed while it was uploaded") from None
    section.on_sent(section.size)
    file.require_same(section.file)
    return str(answer.headers.get("ETag", ""))
