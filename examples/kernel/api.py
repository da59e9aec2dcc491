"""The HTTP client for Tunedeck's API: the calls that a kernel makes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

_TIMEOUT = urllib3.Timeout(connect=1, read=5)
_UPLOAD_TIMEOUT = urllib3.Timeout(connect=1, read=60)
_RETRYABLE = {429, 502, 503, 504}

MAX_DOWNLOAD = 64 * 1024 * 1024

Record = dict[str, Any]


class ApiError(Exception):
    """A call that failed; `status` is None where there was no response, or none in JSON."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status is None or self.status in _RETRYABLE


class Api:
    """Calls the logs service directly for jobs, and the gateway for the rest. Every method raises ApiError."""

    def __init__(self, logs_url: str, api_url: str, token: str | None = None) -> None:
        self._addresses = (logs_url, api_url)
        self.token = token
        self._jobs = f"{logs_url}/api/v1/jobs"
        self._models = f"{api_url}/api/v1/models"
        self._datasets = f"{api_url}/api/v1/datasets"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = urllib3.PoolManager(headers=headers, timeout=_TIMEOUT, retries=False)

    def jobs(self, status: str) -> list[Record]:
        """Return all jobs of a status, the oldest first."""
        return list(self._pages(self._jobs, status=status, order="asc"))

    def job(self, job_id: int) -> Record:
        return self._call("GET", f"{self._jobs}/{job_id}")

    def claim(self, job_id: int, kernel: str) -> bool:
        """Claim a job; False if it is another kernel's, or has ended."""
        return self._change_status(job_id, {"status": "running", "kernel": kernel})

    def of_job(self, job_id: int) -> "Api":
        """Return the calls of a job that was claimed here, by a token for it alone; these where nobody asks for one."""
        if self.token is None:
            return self
        try:
            token: str = self._call("POST", f"{self._jobs}/{job_id}/token")["token"]
        except ApiError as error:
            if error.status == 409:
                return self
            raise
        return Api(*self._addresses, token)

    def finish(self, job_id: int, status: str) -> bool:
        """Set a job's final status; False if it has another one already, because it was cancelled, say."""
        return self._change_status(job_id, {"status": status})

    def models(self, job_id: int) -> list[Record]:
        """Return the models that were registered for a job, the newest first."""
        return list(self._pages(self._models, job_id=job_id))

    def ready_models(self) -> Iterator[Record]:
        """Yield all ready models, the newest first."""
        return self._pages(self._models, status="ready")

    def gguf_link(self, model_id: int) -> str | None:
        """Return the link to a model's one GGUF file, or None where it has none, or several."""
        links: Record = self._call("GET", f"{self._models}/{model_id}")["download_links"]
        link: str | None = links["gguf"]
        return link if link is not None and urlsplit(link).path.endswith(".gguf") else None

    def download(self, link: str) -> bytes:
        """Return what is at a link of at most MAX_DOWNLOAD bytes."""
        try:
            # Without our token: a link opens as it stands, at whatever store it leads to.
            response = self._http.request("GET", link, headers={}, timeout=_UPLOAD_TIMEOUT, preload_content=False)
            content: bytes = response.read(MAX_DOWNLOAD + 1)
            response.close()
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(f"GET {link.partition('?')[0]}: {error}") from error
        if response.status != 200 or len(content) > MAX_DOWNLOAD:
            raise ApiError(f"GET {link.partition('?')[0]}: {response.status}, {len(content)} bytes", response.status)
        return content

    def create_model(self, record: Record) -> Record:
        return self._call("POST", self._models, json=record)

    def change_model(self, model_id: int, changes: Record) -> Record:
        return self._call("PUT", f"{self._models}/{model_id}", json=changes)

    def upload(self, model_id: int, path: str, content: bytes) -> None:
        url = f"{self._models}/{model_id}/files/{quote(path)}"
        self._call("PUT", url, body=content, timeout=_UPLOAD_TIMEOUT)

    def dataset_names(self) -> list[str]:
        return [record["name"] for record in self._pages(self._datasets)]

    def put_dataset(self, name: str, content: bytes) -> None:
        self._call("PUT", f"{self._datasets}/{quote(name)}", body=content, timeout=_UPLOAD_TIMEOUT)

    def _change_status(self, job_id: int, change: Mapping[str, str]) -> bool:
        try:
            self._call("PUT", f"{self._jobs}/{job_id}", json=change)
        except ApiError as error:
            if error.status == 409:
                return False
            raise
        return True

    def _pages(self, url: str, **fields: str | int) -> Iterator[Record]:
        seen, page = 0, 1
        while True:
            answer = self._call("GET", url, fields={**fields, "page": str(page), "limit": "100"})
            yield from answer["data"]
            seen, page = seen + len(answer["data"]), page + 1
            if not answer["data"] or seen >= answer["total"]:
                return

    def _call(self, method: str, url: str, **request: Any) -> Record:
        try:
            response = self._http.request(method, url, **request)
            answer = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ApiError(f"{method} {url}: {error}") from error
        if response.status >= 400 or not isinstance(answer, dict):
            detail = f"{method} {url}: {response.status} {response.data[:500].decode(errors='replace')}"
            raise ApiError(detail, response.status)
        return answer
