"""A client of the models service."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from shared.errors import NotFound, TooLarge, Unavailable, Unprocessable

_TIMEOUT = urllib3.Timeout(connect=2, read=10)
_PAGE = 100
_DIGEST_S = 1.0
"""A detail waits for it, so it may not take long; a model with thousands of files has none."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    name: str
    base_model: str
    served_name: str
    status: str


class ModelsClient:
    """The models service at ``url``, to which ``credentials`` are the headers of a request."""

    def __init__(self, url: str, credentials: Callable[[], Mapping[str, str]] = dict) -> None:
        self._credentials = credentials
        self._models = f"{url.rstrip('/')}/api/v1/models"
        self._http = urllib3.PoolManager(maxsize=16, retries=False)

    def find_model(self, model_id: int) -> Model:
        """Return the model; NotFound where there is none, Unavailable where no answer that makes sense comes."""
        answer = self._call("GET", str(model_id))
        try:
            fields = {name: answer["model"][name] for name in Model.__dataclass_fields__}
        except (KeyError, TypeError) as error:
            raise Unavailable("The models service's answer is none.") from error
        if not all(isinstance(value, str) for value in fields.values()):
            raise Unavailable("The models service's answer is none.")
        return Model(**fields)

    def find_manifest_digest(self, model_id: int) -> str | None:
        """Return the SHA-256 of the paths, sizes and SHA-256s of all files of a model.

        None where that cannot be told within a second: no answer, no such model, or a checksum not yet known.
        """
        try:
            digest = hashlib.sha256()
            for file in self._files(model_id, time.monotonic() + _DIGEST_S):
                if file["sha256"] is None:
                    return None
                digest.update(f"{file['path']}\0{file['size']}\0{file['sha256']}\n".encode())
            return digest.hexdigest()
        except (NotFound, Unavailable, Unprocessable, KeyError, TypeError) as error:
            log.info("model %d: its files are not known: %s", model_id, error)
            return None

    def _files(self, model_id: int, deadline: float) -> Iterator[dict[str, Any]]:
        for page in itertools.count(1):
            left = max(deadline - time.monotonic(), 0.001)
            path = f"{model_id}/files?limit={_PAGE}&page={page}"
            answer = self._call("GET", path, timeout=urllib3.Timeout(total=left))
            yield from answer["data"]
            if page * _PAGE >= answer["total"]:
                return

    def put_eval_results(self, model_id: int, eval_results: dict[str, Any]) -> None:
        """PUT an evaluation's metrics to its model; NotFound, Unprocessable (permanent) or Unavailable."""
        self._call("PUT", str(model_id), {"eval_results": eval_results})

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout: urllib3.Timeout = _TIMEOUT
    ) -> Any:
        try:
            # Flask's test of the media type wants it named, and json= does.
            response = self._http.request(
                method,
                f"{self._models}/{path}",
                json=body,
                headers=self._credentials(),
                redirect=False,
                timeout=timeout,
            )
            if response.status == 404:
                raise NotFound(f"There is no model {path.partition('/')[0]}.")
            if response.status in (TooLarge.status, Unprocessable.status):
                raise Unprocessable(f"The models service refuses it with {response.status}.")
            if response.status != 200:
                raise Unavailable(f"The models service answers {response.status}.")
            return json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError, RecursionError) as error:
            raise Unavailable("The models service does not answer.") from error
