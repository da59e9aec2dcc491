"""Asks the logs service for a job's record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

_TIMEOUT_S = 1.0


class LogsClient:
    """The logs service at ``url``, to which ``credentials`` are the headers of a request."""

    def __init__(self, url: str, credentials: Callable[[], Mapping[str, str]] = dict) -> None:
        self._credentials = credentials
        self._jobs = f"{url.rstrip('/')}/api/v1/jobs"
        self._http = urllib3.PoolManager(maxsize=16, timeout=urllib3.Timeout(total=_TIMEOUT_S), retries=False)

    def find_job(self, job_id: int | None) -> dict[str, Any] | None:
        """Return the job's record, or None where there is none or it does not come within a second."""
        if job_id is None:
            return None
        try:
            response = self._http.request("GET", f"{self._jobs}/{job_id}", headers=self._credentials())
            record = json.loads(response.data) if response.status == 200 else None
        except (urllib3.exceptions.HTTPError, ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None
