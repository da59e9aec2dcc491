"""What the service says of a ready model: its files with their checksums, its archive, links to both."""

from __future__ import annotations

import math
import time
from typing import Any, Callable, NamedTuple
from urllib.parse import quote, urljoin

from tunedeck_client.errors import TunedeckError
from tunedeck_client.transport.pages import read_pages
from tunedeck_client.transport.service import Service

POLL_S = 0.5
CHECKSUMS_WITHIN_S = 3600.0


class RemoteFile(NamedTuple):
    path: str
    size: int
    sha256: str
    url: str


class ReadyModel:
    """A model to be downloaded; TunedeckError where it is not ready, or a file of it is known to be wrong."""

    def __init__(self, service: Service, model_id: int) -> None:
        self._service = service
        self._id = model_id
        self._place = f"/models/{model_id}"

    def require_ready(self) -> None:
        status = self._show()["model"]["status"]
        if status != "ready":
            raise TunedeckError(f"model {self._id} is {status}, not ready")

    def list_files(self) -> list[RemoteFile]:
        """Return the files once the checksum of each is known: a large one is read again after its upload."""
        files: list[dict[str, Any]] = self._poll(self._listed, "the checksums")
        return [RemoteFile(file["path"], file["size"], file["sha256"], file["url"]) for file in files]

    def archive_link(self) -> str:
        """Return the address of the archive once it is known, at the server that has our token."""
        link = self._poll(lambda: self._show()["download_links"]["archive"], "the archive")
        return "/api/v1" + str(link).partition("/api/v1")[2]

    def archive_size(self, link: str) -> int:
        return int(self._service.send("HEAD", link).headers["Content-Length"])

    def link_to(self, file: RemoteFile, is_fresh: bool) -> str:
        """Return the file's link, or have it signed anew."""
        if not is_fresh:
            return file.url
        place = f"/api/v1{self._place}/files/{quote(file.path)}"
        answer = self._service.send("GET", place, allowed=(302,))
        return urljoin(self._service.url + place, str(answer.headers["Location"]))

    def _show(self) -> dict[str, Any]:
        return self._service.call("GET", self._place)

    def _listed(self) -> list[dict[str, Any]] | None:
        found = read_pages(self._service, f"{self._place}/files", {}, math.inf)
        for file in found:
            if file.get("error"):
                raise TunedeckError(f"{file['path']}: {file['error']}")
        return found if all(file["sha256"] and file["url"] for file in found) else None

    def _poll(self, find: Callable[[], Any], what: str) -> Any:
        until = time.monotonic() + CHECKSUMS_WITHIN_S
        while True:
            found = find()
            if found is not None:
                return found
            if time.monotonic() > until:
                raise TunedeckError(f"{what} of model {self._id} are not known yet; try again later")
            time.sleep(POLL_S)
