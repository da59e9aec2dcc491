"""Fetches one file into its `.part`: by a range of what is missing, from a link that may be of yesterday."""

from __future__ import annotations

import functools
import http.client
from typing import Callable

from tunedeck_client.errors import BadFolder, Forbidden
from tunedeck_client.models.part_file import PartFile
from tunedeck_client.models.transfer import Progress
from tunedeck_client.transport.service import Answer, Service

PIECE_BYTES = 128 * 1024
"""Is received, hashed and written while it is in a core's cache."""

Link = Callable[[bool], str]
"""Returns where the bytes are, by a fresh link if need be."""


class Fetch:
    """The bytes of `path` on their way into a part, until it has the `size` of the whole."""

    def __init__(self, service: Service, progress: Progress, part: PartFile, path: str, size: int) -> None:
        self._service = service
        self._progress = progress
        self._part = part
        self._path = path
        self._size = size
        if part.size > size:
            part.restart()

    def run(self, link: Link) -> None:
        """Bring the part to its size; a link of yesterday is replaced once."""
        self._report()
        if self._part.size == self._size:
            return
        try:
            self._get(link(False))
        except Forbidden:
            self._get(link(True))

    def _report(self) -> None:
        self._progress(self._path, self._part.size, self._size)

    def _get(self, url: str) -> None:
        self._service.send("GET", url, headers=self._headers, read=self._take, moved=lambda: self._part.size)

    def _headers(self) -> dict[str, str]:
        return {"Range": f"bytes={self._part.size}-"} if self._part.size else {}

    def _take(self, response: http.client.HTTPResponse) -> Answer:
        """Append what comes; HTTPException where it ends before its end, so that the rest is asked for."""
        part = self._part
        if response.status != 206:
            part.restart()
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-"):
            raise http.client.HTTPException("another range than was asked for")
        buffer = memoryview(bytearray(PIECE_BYTES))
        for count in iter(functools.partial(response.readinto, buffer), 0):
            part.append(buffer[:count])
            if part.size > self._size:
                part.remove()
                raise BadFolder(f"{self._path} is longer than the service says")
            self._report()
        if part.size < self._size:
            raise http.client.IncompleteRead(b"", self._size - part.size)
        return Answer(response.status, response.headers, b"")
