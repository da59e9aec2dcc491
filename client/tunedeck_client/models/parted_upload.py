"""Uploads a large file in parts, each to a presigned link of its own."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import Any

from tunedeck_client.errors import Conflict, Forbidden, NotFound
from tunedeck_client.models.local_files import LocalFile
from tunedeck_client.models.task_pool import Task
from tunedeck_client.models.transfer import Progress
from tunedeck_client.models.upload_state import UploadState
from tunedeck_client.transport.connections import Section
from tunedeck_client.transport.service import Service


class PartedUpload:
    """One large file on its way: its parts, and what completes them."""

    def __init__(
        self,
        service: Service,
        state: UploadState,
        model: str,
        file: LocalFile,
        digest: str,
        progress: Progress,
    ) -> None:
        self._service = service
        self._state = state
        self._uploads = f"{model}/uploads"
        self._file = file
        self._digest = digest
        self._progress = progress
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
        self._progress(self._file.path, sent, self._file.size)

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
                etag = send_section(self._service, self._file, url, section, {})
            except Forbidden:  # the link is of yesterday
                fresh = self._fresh_url(number, url)
                etag = send_section(self._service, self._file, fresh, section, {})
        with self._counting:
            self._etags[number] = etag
            self._missing -= 1
            is_last = self._missing == 0
        return [self._complete] if is_last else []

    def _fresh_url(self, number: int, url: str) -> str:
        parts = self._service.call("GET", self._place)["parts"]
        return next((str(part["url"]) for part in parts if part["number"] == number), url)

    def _complete(self) -> None:
        parts = [{"number": number, "etag": etag} for number, etag in sorted(self._etags.items())]
        with self._file.open():  # which fails for a file that changed
            self._service.call("POST", f"{self._place}/complete", {"parts": parts})
        self._state.complete(self._file.path, self._digest)
        self._progress(self._file.path, self._file.size, self._file.size)


def send_section(
    service: Service, file: LocalFile, place: str, section: Section, headers: dict[str, str]
) -> str:
    """PUT a part of a file and return the ETag of the answer."""
    answer = service.send("PUT", place, section, headers)
    section.on_sent(section.size)
    file.require_same(section.file)
    return str(answer.headers.get("ETag", ""))
