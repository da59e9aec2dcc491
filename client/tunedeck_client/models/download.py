"""Downloads a ready model: its files four at once or its archive, resumed after a kill, each verified."""

from __future__ import annotations

import functools
import os
from typing import Callable
from urllib.parse import unquote

from tunedeck_client.errors import BadFolder, blaming
from tunedeck_client.models.fetch import Fetch
from tunedeck_client.models.part_file import SUFFIX, PartFile
from tunedeck_client.models.paths import path_problem
from tunedeck_client.models.ready_model import ReadyModel, RemoteFile
from tunedeck_client.models.task_pool import TaskPool
from tunedeck_client.models.transfer import OnProgress, Progress, opened_service
from tunedeck_client.models.verify import archive_problem, is_archive, is_same
from tunedeck_client.transport.service import PATIENCE, Service

OnPresent = Callable[[str], None]
"""Is told the path of what was here already, and verified."""


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
    with opened_service(url, token, patience) as service:
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
    with opened_service(url, token, patience) as service:
        place = os.path.abspath(os.fspath(folder))
        return _Download(service, model_id, place, on_progress, on_present).archive(overwrite=overwrite)


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
        self._model = ReadyModel(service, model_id)
        self._folder = folder
        self._report = Progress(service, on_progress)
        self._on_present = on_present or (lambda path: None)

    def files(self, *, overwrite: bool) -> list[str]:
        self._model.require_ready()
        files = self._model.list_files()
        targets = {file.path: self._target(file.path) for file in files}
        suffix = SUFFIX
        while any(f"{path}{suffix}" in targets for path in targets):
            suffix = f"~{suffix}"
        for file in files:
            self._report(file.path, 0, file.size)
        missing: list[RemoteFile] = []
        present: list[str] = []

        def compare(file: RemoteFile) -> None:
            if not os.path.lexists(targets[file.path]):
                missing.append(file)
            elif is_same(targets[file.path], file.size, file.sha256):
                self._report(file.path, file.size, file.size)
                present.append(targets[file.path])
            elif overwrite:
                missing.append(file)
            else:
                raise BadFolder(f"{targets[file.path]} is there already and differs from the model's")

        TaskPool(self._service.abort).run([functools.partial(compare, file) for file in files])
        for target in sorted(present):
            self._on_present(target)
        TaskPool(self._service.abort).run(
            [
                functools.partial(self._fetch_file, file, targets[file.path], suffix)
                for file in sorted(missing)
            ]
        )
        return sorted(targets.values())

    def archive(self, *, overwrite: bool) -> str:
        self._model.require_ready()
        link = self._model.archive_link()
        name = unquote(link.rpartition("/")[2])
        target = self._target(name)
        size = self._model.archive_size(link)
        if is_archive(target, size):
            self._report(name, size, size)
            self._on_present(target)
            return target
        if os.path.lexists(target) and not overwrite:
            raise BadFolder(f"{target} is there already and differs from the model's")
        with PartFile(target) as part:
            Fetch(self._service, self._report, part, name, size).run(lambda is_fresh: link)
            problem = archive_problem(part.opened())
            if problem is not None:
                part.remove()
                raise BadFolder(f"{target}: {problem}")
            part.finish()
        return target

    def _target(self, path: str) -> str:
        """Return where a file goes; BadFolder where that is not below the folder, by way of a link, say."""
        problem = path_problem(path)
        if problem is not None:
            raise BadFolder(f"the model has a file {path!r}, which cannot be written: {problem}")
        target = os.path.join(self._folder, *path.split("/"))
        root, parent = os.path.realpath(self._folder), os.path.realpath(os.path.dirname(target))
        if os.path.commonpath([root, parent]) != root:
            raise BadFolder(f"{target} would lie outside of {self._folder}")
        with blaming(os.path.dirname(target)):
            os.makedirs(os.path.dirname(target), exist_ok=True)
        return target

    def _fetch_file(self, file: RemoteFile, target: str, suffix: str) -> None:
        with PartFile(target, suffix) as part:
            fetch = Fetch(self._service, self._report, part, file.path, file.size)
            for _ in range(2):  # it may have been begun when the file was another one
                fetch.run(functools.partial(self._model.link_to, file))
                if part.hexdigest == file.sha256:
                    return part.finish()
                part.restart()
            part.remove()
            raise BadFolder(f"{file.path} arrived with another SHA-256 than the service has")
