"""Asks the models service for a model, and tells it what an evaluation found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import urllib3

from shared.errors import NotFound, TooLarge, Unavailable, Unprocessable

_TIMEOUT = urllib3.Timeout(connect=2, read=10)


@dataclass(frozen=True)
class Model:
    name: str
    base_model: str
    served_name: str
    status: str


class ModelsClient:
    """The models service at ``url``."""

    def __init__(self, url: str) -> None:
        self._models = f"{url.rstrip('/')}/api/v1/models"
        self._http = urllib3.PoolManager(maxsize=16, timeout=_TIMEOUT, retries=False)

    def find_model(self, model_id: int) -> Model:
        """Return the model; NotFound where there is none, Unavailable where no answer that makes sense comes."""
        answer = self._call("GET", model_id)
        try:
            record = answer["model"]
            fields = {name: record[name] for name in Model.__dataclass_fields__}
        except (KeyError, TypeError) as error:
            raise Unavailable("The models service's answer is none.") from error
        if not all(isinstance(value, str) for value in fields.values()):
            raise Unavailable("The models service's answer is none.")
        return Model(**fields)

    def put_eval_results(self, model_id: int, eval_results: dict[str, Any]) -> None:
        """Store an evaluation's figures with its model; NotFound, Unprocessable (never takes them) or Unavailable."""
        self._call("PUT", model_id, {"eval_results": eval_results})

    def _call(self, method: str, model_id: int, body: dict[str, Any] | None = None) -> Any:
        try:
            # Flask's test of the media type wants it named, and json= does.
            response = self._http.request(method, f"{self._models}/{model_id}", json=body, redirect=False)
            if response.status == 404:
                raise NotFound(f"There is no model {model_id}.")
            if response.status in (TooLarge.status, Unprocessable.status):
                raise Unprocessable(f"The models service refuses it with {response.status}.")
            if response.status != 200:
                raise Unavailable(f"The models service answers {response.status}.")
            return json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unavailable("The models service does not answer.") from error
