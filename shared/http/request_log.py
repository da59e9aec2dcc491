"""What is told of each request: a metric when its answer begins, and one line of the log when it has ended.

Of pushes and probes that go well there is no line, for they are most of all requests: they are counted.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Collection
from functools import lru_cache, partial
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


def _line(method: str, route: str, response: Response) -> Callable[[int], None]:
    """Return what logs a request once it has ended; a stream keeps this, and nothing else of its answer."""
    ids = {name: value for name, value in (request.view_args or {}).items() if isinstance(value, int)}
    fields = {"request_id": g.request_id, "method": method, "route": route, "status": response.status_code, **ids}
    caller: Caller | None = getattr(g, "caller", None)
    return partial(_tell, fields, g.began, caller.name if caller else "", response.mimetype == "text/event-stream")


def _tell(fields: dict[str, Any], began: float, name: str, is_stream: bool, sent: int) -> None:
    fields["ms"] = round((time.perf_counter() - began) * 1000, 1)
    if not is_stream:  # whose lines are written past gunicorn
        fields["bytes"] = sent
    if name:
        fields["token"] = name
    if sys.exc_info()[0] is not None:
        fields["cut"] = True
    tell = log.info if fields["status"] < 500 else log.error
    tell("request", **fields)
