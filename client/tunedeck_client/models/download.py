"""Downloads a ready model: its files four at once or its archive, resumed after a kill, each verified."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import threading
import time
from typing import IO, Any, Callable, Iterator, NamedTuple
from urllib.parse import quote, unquote, urljoin

from tunedeck_client.errors import BadFolder, Refused, TunedeckError
from tunedeck_client.models.archive_sums import archive_problem
from tunedeck_client.models.checksum import sha256_of
from tunedeck_client.models.part_file import SUFFIX, PartFile
from tunedeck_client.models.paths import path_problem
from tunedeck_client.models.task_pool import TaskPool
from tunedeck_client.transport.service import PATIENCE, Answer, Service, Stopped

PAGE = 100
POLL_S = 0.5
CHECKSUMS_WITHIN_S = 3600.0
PIECE_BYTES = 128 * 1024
"""Is received, hashed and written while it is in a core's cache."""

OnProgress = Callable[[str, int, int], None]
"""Is told a file's path in the model, how many of its bytes are here, and its size."""

OnPresent = Callable[[str], None]
"""Is told the path of what was here already, and verified."""


class RemoteFile(NamedTuple):
    path: str
    size: int
    sha256: str
    url: str


def download_model(
    model_id: int,
    folder: str | os.PathLike[str] | None = None,
    *,
    url: str | None = None,
    token: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    on_present: OnPresent | None = None,
    patience: float = PATIENCE,
) -> list[str]:
    """Download all files of a ready model into `folder` (`model-<ID>`) and return their paths there.

    What is there already and the same is skipped, what differs is refused unless `overwrite`. Files grow as
    `.part` and are gone on with by the same call; one whose SHA-256 is wrong is fetched once more, then
    refused.
    Nothing is written outside of `folder`. `on_progress` is called as by `upload_model`, `on_present` for
    what is skipped. Raises BadFolder, Refused and Unreachable.
    """
    with _service(url, token, patience) as service:
        place = os.path.abspath(os.fspath(folder if folder is not None else f"model-{model_id}"))
        return _Download(service, model_id, place, on_progress, on_present).files(overwrite=overwrite)


def download_archive(
    model_id: int,
    folder: str | os.PathLike[str] = ".",
    *,
    url: str | None = None,
    token: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    on_present: OnPresent | None = None,
    patience: float = PATIENCE,
) -> str:
    """Download a ready model's ZIP into `folder` and return its path, once each entry has its SHA-256.

    One that is there and verified is not fetched again, anything else of its name is refused unless
    `overwrite`. The callbacks are those of `download_model`, with the archive's name.
    """
    with _service(url, token, patience) as service:
        place = os.path.abspath(os.fspath(folder))
        return _Download(service, model_id, place, on_progress, on_present).archive(overwrite=overwrite)


@contextlib.contextmanager
def _service(url: str | None, token: str | None, patience: float) -> Iterator[Service]:
    address = url or os.environ.get("TUNEDECK_URL") or "http://localhost:8080"
    service = Service(
        address, token or os.environ.get("TUNEDECK_TOKEN"), stop=threading.Event(), patience=patience
    )
    try:
        yield service
    finally:
        service.close()


class _Download:
    def __init__(
        self,
        service: Service,
        model_id: int,
        folder: str,
        on_progress: OnProgress | None,
        on_present: OnPresent | None,
    ) -> None:
        self._service = service
        self._id = model_id
        self._place = f"/models/{model_id}"
        self._folder = folder
        self._on_progress = on_progress or (lambda path, done, size: None)
        self._on_present = on_present or (lambda path: None)
        self._reporting = threading.Lock()

    def files(self, *, overwrite: bool) -> list[str]:
        self._require_ready()
        files = self._list_files()
        targets = {file.path: self._target(file.path) for file in files}
        suffix = SUFFIX
        while any(f"{path}{suffix}" in targets for path in targets):
            suffix = f"~{suffix}"
        for file in files:
            self._report(file.path, 0, file.size)
        missing: list[RemoteFile] = []

        def compare(file: RemoteFile) -> list[Any]:
            if not os.path.lexists(targets[file.path]):
                missing.append(file)
            elif _is_same(targets[file.path], file):
                self._skip(targets[file.path], file.path, file.size)
            elif overwrite:
                missing.append(file)
            else:
                raise BadFolder(f"{targets[file.path]} is there already and differs from the model's")
            return []

        TaskPool(self._service.abort).run([functools.partial(compare, file) for file in files])
        TaskPool(self._service.abort).run(
            [
                functools.partial(self._fetch_file, file, targets[file.path], suffix)
                for file in sorted(missing)
            ]
        )
        return sorted(targets.values())

    def archive(self, *, overwrite: bool) -> str:
        self._require_ready()
        link = self._poll(lambda: self._show()["download_links"]["archive"], "the archive")
        link = "/api/v1" + str(link).partition("/api/v1")[2]  # at the address that has our token
        name = unquote(link.rpartition("/")[2])
        target = self._target(name)
        size = int(self._service.send("HEAD", link).headers["Content-Length"])
        if _is_archive(target, size):
            self._skip(target, name, size)
            return target
        if os.path.lexists(target) and not overwrite:
            raise BadFolder(f"{target} is there already and differs from the model's")
        with PartFile(target) as part:
            if part.size > size:
                part.restart()
            self._fetch(part, name, size, lambda fresh: link)
            problem = archive_problem(part.opened())
            if problem is not None:
                part.remove()
                raise BadFolder(f"{target}: {problem}")
            part.finish()
        return target

    def _show(self) -> dict[str, Any]:
        return self._service.call("GET", self._place)

    def _require_ready(self) -> None:
        status = self._show()["model"]["status"]
        if status != "ready":
            raise TunedeckError(f"model {self._id} is {status}, not ready")

    def _list_files(self) -> list[RemoteFile]:
        """Return the files once the checksum of each is known: a large one is read again after its upload."""
        files: list[dict[str, Any]] = self._poll(self._listed, "the checksums")
        return [RemoteFile(file["path"], file["size"], file["sha256"], file["url"]) for file in files]

    def _listed(self) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = []
        number, total = 1, 1
        while len(found) < total:
            page = self._service.call("GET", f"{self._place}/files?page={number}&limit={PAGE}")
            if not page["data"]:
                break
            found += page["data"]
            number, total = number + 1, page["total"]
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

    def _target(self, path: str) -> str:
        """Return where a file goes; BadFolder where that is not below the folder, by way of a link, say."""
        problem = path_problem(path)
        if problem is not None:
            raise BadFolder(f"the model has a file {path!r}, which cannot be written: {problem}")
        target = os.path.join(self._folder, *path.split("/"))
        root, parent = os.path.realpath(self._folder), os.path.realpath(os.path.dirname(target))
        if os.path.commonpath([root, parent]) != root:
            raise BadFolder(f"{target} would lie outside of {self._folder}")
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
        except OSError as error:
            raise BadFolder(f"{os.path.dirname(target)}: {error.strerror}") from error
        return target

    def _report(self, path: str, done: int, size: int) -> None:
        if self._service.stop.is_set():
            raise Stopped("stopped")
        with self._reporting:
            self._on_progress(path, done, size)

    def _skip(self, target: str, path: str, size: int) -> None:
        self._report(path, size, size)
        with self._reporting:
            self._on_present(target)

    def _fetch_file(self, file: RemoteFile, target: str, suffix: str) -> list[Any]:
        with PartFile(target, suffix) as part:
            if part.size > file.size:
                part.restart()
            for is_last in (False, True):
                self._fetch(part, file.path, file.size, functools.partial(self._link, file))
                if part.hexdigest == file.sha256:
                    part.finish()
                    return []
                if is_last:
                    break
                part.restart()  # it was begun when the file was another one
            part.remove()
            raise BadFolder(f"{file.path} arrived with another SHA-256 than the service has")

    def _link(self, file: RemoteFile, is_fresh: bool) -> str:
        if not is_fresh:
            return file.url
        place = f"/api/v1{self._place}/files/{quote(file.path)}"
        answer = self._service.send("GET", place, allowed=(302,))
        return urljoin(self._service.url + place, str(answer.headers["Location"]))

    def _fetch(self, part: PartFile, path: str, size: int, link: Callable[[bool], str]) -> None:
        """Bring the part to its size, by a range of what is missing; a link of yesterday is replaced once."""
        self._report(path, part.size, size)
        if part.size == size:
            return
        take = functools.partial(self._take, part, path, size)
        try:
            self._get(link(False), part, take)
        except Refused as error:
            if error.status != 403:
                raise
            self._get(link(True), part, take)

    def _get(self, url: str, part: PartFile, take: Callable[[http.client.HTTPResponse], Answer]) -> None:
        def headers() -> dict[str, str]:
            return {"Range": f"bytes={part.size}-"} if part.size else {}

        self._service.send("GET", url, headers=headers, read=take, moved=lambda: part.size)

    def _take(self, part: PartFile, path: str, size: int, response: http.client.HTTPResponse) -> Answer:
        """Append what comes; HTTPException where it ends before its end, so that the rest is asked for."""
        if response.status != 206:
            part.restart()
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-"):
            raise http.client.HTTPException("another range than was asked for")
        buffer = memoryview(bytearray(PIECE_BYTES))
        count = response.readinto(buffer)
        while count:
            part.append(buffer[:count])
            if part.size > size:
                part.remove()
                raise BadFolder(f"{path} is longer than the service says")
            self._report(path, part.size, size)
            count = response.readinto(buffer)
        if part.size < size:
            raise http.client.IncompleteRead(b"", size - part.size)
        return Answer(response.status, response.headers, b"")


def _is_same(target: str, file: RemoteFile) -> bool:
    return _verifies(target, file.size, lambda opened: sha256_of(opened) == file.sha256)


def _is_archive(target: str, size: int) -> bool:
    """Whether the archive is there: its name is that of its content."""
    return _verifies(target, size, lambda opened: archive_problem(opened) is None)


def _verifies(target: str, size: int, check: Callable[[IO[bytes]], bool]) -> bool:
    if os.path.islink(target) or not os.path.isfile(target) or os.path.getsize(target) != size:
        return False
    try:
        with open(target, "rb") as opened:
            return check(opened)
    except OSError as error:
        raise BadFolder(f"{target}: {error.strerror}") from error
