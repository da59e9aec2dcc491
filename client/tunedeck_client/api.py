"""The service as a Python object: jobs, their logs and metrics, models, test sets and evaluations."""

from __future__ import annotations

import os
import time
import uuid
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator
from urllib.parse import quote, urlencode

from tunedeck_client.datasets import find_dataset, upload_dataset
from tunedeck_client.errors import Refused, Unreachable
from tunedeck_client.log_stream import follow_log, read_log
from tunedeck_client.login import find_login
from tunedeck_client.models.download import OnPresent, download_archive, download_model
from tunedeck_client.models.transfer import OnProgress
from tunedeck_client.models.upload import upload_model
from tunedeck_client.transport.pages import Record, read_pages
from tunedeck_client.transport.service import REPEATED, Service

POLL_S = 1.0
PATIENCE_S = 300.0
"""For so long `wait` and its like ask again while nobody answers."""


class Tunedeck:
    """The service at `url`, the gateway's address with or without `/api/v1`.

    Without `url` and `token`: `TUNEDECK_URL` and `TUNEDECK_TOKEN`, then what `tunedeck login` kept, then
    `http://localhost:8080`. Every method raises Unreachable where nobody answers, and Refused (or the
    subclass of its status: NotFound, Conflict, Invalid, …) where the service refuses; all are TunedeckErrors.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.url, self._token = find_login(url, token)
        self._service = Service(self.url, self._token, patience=0)

    def __enter__(self) -> Tunedeck:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept for the next call."""
        self._service.close()

    def check(self) -> None:
        """Raise Unreachable or Refused where this address and token will not do."""
        self._service.call("GET", "/models?limit=1")

    # Jobs

    def jobs(self, *, limit: int = 20, **filters: Any) -> list[Record]:
        """Return the newest jobs; `status`, `dataset_id` and `q` (a part of the name) filter."""
        return self._list("/jobs", limit, filters)

    def job(self, job_id: int) -> Record:
        """Return a job."""
        return self._service.call("GET", f"/jobs/{job_id}")

    def create_job(
        self,
        *,
        dataset_id: int | None = None,
        name: str | None = None,
        configuration: Record | None = None,
    ) -> Record:
        """Create a job, which waits for a kernel that has its dataset."""
        body = {"dataset_id": dataset_id, "name": name, "configuration": configuration or {}}
        return self._create("/jobs", body)

    def cancel_job(self, job_id: int) -> Record:
        """Cancel a job that has not ended; Conflict where it ended otherwise."""
        return self._service.call("PUT", f"/jobs/{job_id}", {"status": "cancelled"})

    def logs(
        self,
        job_id: int,
        *,
        follow: bool = False,
        tail: int | None = None,
        level: str | None = None,
        source: str | None = None,
        search: str | None = None,
    ) -> Iterator[Record]:
        """Yield a job's lines, or the last `tail`: of `level` and above, of `source`, with `search` in them.

        With `follow` each line once, as it comes, until the job has ended, whatever the connection does.
        """
        read = follow_log if follow else read_log
        return read(self._service, job_id, tail=tail, level=level, source=source, q=search)

    def metrics(
        self, job_id: int, names: Iterable[str] = (), *, after_step: int | None = None, max_points: int = 1000
    ) -> Record:
        """Return a job's curves, once the log was read to its end where they come from there."""
        query: list[tuple[str, Any]] = [("name", name) for name in names]
        query += [("max_points", max_points)] + ([] if after_step is None else [("after_step", after_step)])
        while True:
            found = self._service.call("GET", f"/jobs/{job_id}/metrics?{urlencode(query)}")
            if found["complete"]:
                return found

    # Models

    def models(self, *, limit: int = 20, **filters: Any) -> list[Record]:
        """Return the newest models; `status`, `base_model`, `type` and `job_id` filter."""
        return self._list("/models", limit, filters)

    def model(self, model_id: int) -> Record:
        """Return a model with its files, links and job: `{"model", "download_links", "files"}`."""
        return self._service.call("GET", f"/models/{model_id}")

    def delete_model(self, model_id: int, *, purge: bool = False) -> str:
        """Delete a model, with `purge` its files as well, and return the service's message."""
        query = "?purge=true" if purge else ""
        return str(self._service.call("DELETE", f"/models/{model_id}{query}")["message"])

    def push(
        self,
        folder: str | os.PathLike[str],
        *,
        base_model: str | None = None,
        name: str | None = None,
        job_id: int | None = None,
        include_state: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Record:
        """Upload a folder as a model, make it ready and return it; `models.upload.upload_model` says how."""
        self.check()  # which tells a wrong address at once, and not once patience is over
        return upload_model(
            folder,
            url=self.url,
            token=self._token,
            base_model=base_model,
            name=name,
            job_id=job_id,
            include_state=include_state,
            on_progress=on_progress,
        )

    def pull(
        self,
        model_id: int,
        folder: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
        on_present: OnPresent | None = None,
    ) -> list[str]:
        """Download a model's files and return their paths; `models.download.download_model` says how."""
        self.check()
        return download_model(
            model_id,
            folder,
            url=self.url,
            token=self._token,
            overwrite=overwrite,
            on_progress=on_progress,
            on_present=on_present,
        )

    def pull_archive(
        self,
        model_id: int,
        folder: str | os.PathLike[str] = ".",
        *,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
        on_present: OnPresent | None = None,
    ) -> str:
        """Download a model's ZIP and return its path; `models.download.download_archive` says how."""
        self.check()
        return download_archive(
            model_id,
            folder,
            url=self.url,
            token=self._token,
            overwrite=overwrite,
            on_progress=on_progress,
            on_present=on_present,
        )

    # Test sets and evaluations

    def datasets(self, *, limit: int = 20) -> list[Record]:
        """Return the newest test sets."""
        return self._list("/datasets", limit, {})

    def push_dataset(self, file: str | os.PathLike[str], name: str | None = None) -> Record:
        """Upload a test set, as `name` or under its own name, in place of one that has it."""
        path = os.fspath(file)
        return upload_dataset(self._service, path, name or os.path.basename(path))

    def delete_dataset(self, name: str) -> str:
        """Delete a test set and return the service's message; Conflict while an evaluation of it runs."""
        return str(self._service.call("DELETE", f"/datasets/{quote(name, safe='')}")["message"])

    def evaluate(
        self,
        model_id: int,
        test_set: str | os.PathLike[str],
        *,
        base: str | None = None,
        alone: bool = False,
        **options: Any,
    ) -> Record:
        """Begin an evaluation and return it. `test_set` is a file or the name of a set that is there.

        A file is uploaded unless it is there already; where its name is that of another set, it gets the
        first digits of its SHA-256 as well. `alone` asks the model without a base. `options` are the fields
        of docs/api.md, `scoring` among them.
        """
        name = find_dataset(self._service, os.fspath(test_set))
        body = {"test_set_path": f"datasets/{name}", **options}
        if base is not None:
            body["base_model_name"] = base
        if alone:
            body["base"] = None
        began = self._create(f"/models/{model_id}/evaluate", body)
        return self.evaluation(began["evaluation_id"])

    def evaluation(self, evaluation_id: int) -> Record:
        """Return an evaluation with its results, or null, and its progress while it runs."""
        return self._service.call("GET", f"/evaluations/{evaluation_id}")

    def wait(self, evaluation_id: int, *, on_progress: Callable[[Record], None] | None = None) -> Record:
        """Return an evaluation once it has ended; each record on the way there goes to `on_progress`."""
        answered_at = time.monotonic()
        while True:
            try:
                found = self.evaluation(evaluation_id)
                answered_at = time.monotonic()
            except (Unreachable, Refused) as error:
                is_passing = not isinstance(error, Refused) or error.status in REPEATED
                if not is_passing or time.monotonic() - answered_at > PATIENCE_S:
                    raise
            else:
                if on_progress is not None:
                    on_progress(found)
                if found["status"] in ("completed", "failed"):
                    return found
            time.sleep(POLL_S)

    def _create(self, place: str, body: Record) -> Record:
        return self._service.call("POST", place, body, {"Idempotency-Key": uuid.uuid4().hex})

    def _list(self, place: str, limit: int, filters: Record) -> list[Record]:
        given = {name: value for name, value in filters.items() if value is not None}
        return read_pages(self._service, place, given, limit)
