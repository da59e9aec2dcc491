"""What is told of each request: a metric when its answer begins, and one line of the log when it has ended.

Of pushes and probes that go well there is no line, for they are most of all requests: they are counted.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request

from shared.auth.caller import Caller
from shared.telemetry.metrics import request_seconds
from shared.telemetry.request_id import HEADER, begin_request

PROBES = frozenset({"get_health", "get_readiness", "show_metrics"})
ENDED = "tunedeck.ended"
"""The key in a request's environment of what gunicorn.conf.py calls once the answer is out."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

log = structlog.get_logger("request")


def install(app: Flask, pushes: Collection[str]) -> None:
    """Have an app tell of its requests; ``pushes`` are the endpoints whose requests are counted and not logged."""
    quiet = PROBES.union(pushes)

    def begin() -> None:
        # Past the proxies here and below, as in shared.auth.access: they would take longer than the rest.
        asked, found = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
        found.request_id = begin_request(asked.environ.get("HTTP_X_REQUEST_ID", ""))
        found.began = time.perf_counter()

    def note_answer(response: Response) -> Response:
        asked, found = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
        status, endpoint, method = response.status_code, asked.endpoint, asked.method
        response.headers[HEADER] = found.request_id
        _seconds(method, endpoint, status).observe(time.perf_counter() - found.began)
        if status >= 400 or endpoint not in quiet:
            asked.environ[ENDED] = _line(method, _route(endpoint), response)
        return response

    app.before_request(begin)
    app.after_request(note_answer)


@lru_cache(4096)
def _seconds(method: str, endpoint: str | None, status: int) -> Any:
    """Return the histogram of such requests: to find it takes longer than to observe."""
    return request_seconds.labels(method if method in _METHODS else "other", _route(endpoint), str(status))


@lru_cache(512)
def _route(endpoint: str | None) -> str:
    """Return the path of an endpoint with the names of its parameters: ``/api/v1/jobs/:job_id``; or ``none``."""
    if endpoint is None:
        return "none"
    rule = next(current_app.url_map.iter_rules(endpoint)).rule
    return re.sub(r"<(?:\w+:)?(\w+)>", r":\1", rule)


@dataclass(frozen=True, slots=True)
class _Line:
    """What is logged of a request once it has ended; a stream keeps this, and nothing else of its answer."""

    method: str
    route: str
    status: int
    is_stream: bool
    ids: dict[str, int]
    began: float
    request_id: str
    caller: Caller | None

    def __call__(self, sent: int) -> None:
        fields: dict[str, Any] = {"method": self.method, "route": self.route, "status": self.status, **self.ids}
        fields["ms"] = round((time.perf_counter() - self.began) * 1000, 1)
        if not self.is_stream:  # whose lines are written past gunicorn
            fields["bytes"] = sent
        if self.caller is not None and self.caller.name:
            fields["token"] = self.caller.name
        if sys.exc_info()[0] is not None:
            fields["cut"] = True
        tell = log.info if self.status < 500 else log.error
        tell("request", request_id=self.request_id, **fields)


def _line(method: str, route: str, response: Response) -> _Line:
    ids = {name: value for name, value in (request.view_args or {}).items() if isinstance(value, int)}
    is_stream, caller = response.mimetype == "text/event-stream", getattr(g, "caller", None)
    return _Line(method, route, response.status_code, is_stream, ids, g.began, g.request_id, caller)
