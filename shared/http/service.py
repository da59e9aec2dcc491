"""The Flask app of a service: request ids, the one error shape, health, and its OpenAPI document."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import flask_smorest
import gevent
from flask import Flask
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import HTTPException

from shared.auth.access import Access, install
from shared.http.body import BODY_READ, StrictParser
from shared.http.converters import IdConverter, RestConverter
from shared.http.errors import answer_http_exception, handle_errors
from shared.http.fields import MAX_ID
from shared.http.health import Check, add_health
from shared.http.request_log import install as install_request_log
from shared.telemetry.metrics import TableGauge
from shared.version import VERSION


class Blueprint(flask_smorest.Blueprint):
    ARGUMENTS_PARSER = StrictParser()


class _Api(flask_smorest.Api):
    def handle_http_exception(self, error: HTTPException) -> Any:
        return answer_http_exception(error)


class _App(Flask):
    def ensure_sync(self, func: Any) -> Any:
        """Return it: no function of ours is a coroutine's, and to ask takes longer than some of them do."""
        return func


def create_service(
    title: str,
    blueprints: Iterable[Blueprint],
    checks: Mapping[str, Check],
    access: Access,
    *,
    gauges: Sequence[TableGauge] = (),
    pushes: Collection[str] = (),
) -> Flask:
    """Return the Flask app of a service: its blueprints, health, ``/metrics`` and ``/openapi.json``.

    ``checks`` names each dependency with the call that ``/readyz`` makes; a call that raises is not ready.
    ``access`` decides on each request before its body is read. ``gauges`` are read from the tables at each scrape;
    requests to the endpoints ``pushes`` are counted and not logged.
    """
    app = _App(title, static_folder=None)
    app.config.update(
        API_TITLE=title,
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["rest"] = RestConverter
    app.wsgi_app = _HangUp(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's documentation has it
    install_request_log(app, pushes)
    install(app, access)
    handle_errors(app)
    api = _Api(app)
    api.register_converter(IdConverter, lambda _: {"type": "integer", "minimum": 1, "maximum": MAX_ID})
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    add_health(app, checks, gauges)
    return app


LINGER_S = 30.0
LINGER_IDLE_S = 5.0
"""How long a connection that is closed early is read, in all and without a byte; both are nginx's."""

SMALL_BODY_BYTES = 64 * 1024
REST_S = 2.0
"""Of a body up to this size the rest is read before any answer, for so long at most."""


class _HangUp:
    """Passes an app's ``Connection: close`` on to gunicorn, which drops that header and would keep the connection.

    What the client still sends is read first: a connection that is closed with bytes unread is reset, and the reset
    overtakes the answer, so that a proxy or a client never sees why. The server's response object is reachable in one
    way only: as the owner of ``start_response``.
    """

    def __init__(self, wsgi_app: Any) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        closes, client = False, environ.get("gunicorn.socket")

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal closes
            _read_rest(environ)
            force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
            if force_close is not None and ("Connection", "close") in headers:
                force_close()
                closes = True
                if any(name == "Content-Length" for name, _ in headers):  # no stream
                    _hold_back(client)
            return start_response(status, headers, exc_info)

        answer = self._wsgi_app(environ, start)
        return _Lingering(answer, client) if closes and client is not None else answer


def _hold_back(client: Any) -> None:
    """Have the head and the body of an answer leave together, at the latest when ``_Lingering`` shuts the way out.

    A gateway in Go that still sends a body closes its connection once it has passed on the head; of an answer's body
    it has then what came with the head: of chunked bodies that are too large one answer in two hundred was cut off.
    """
    if client is not None and hasattr(socket, "TCP_CORK"):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)


def _read_rest(environ: Any) -> None:
    """Read what is left of a small body before the answer goes out.

    Where the answer comes first, a refusal say, a gateway in Go reads the body twice at once, to pass it on and to be
    rid of it, and may close the connection amid the answer: one in some hundreds was cut off.
    """
    declared = environ.get("CONTENT_LENGTH") or ""
    if BODY_READ not in environ and declared.isdigit() and 0 < int(declared) <= SMALL_BODY_BYTES:
        with gevent.Timeout(REST_S, False), suppress(OSError, ParseException):
            environ["wsgi.input"].read(int(declared))


class _Lingering:
    """An answer after which the client is read until it is done; gunicorn calls ``close`` once all of it is sent."""

    def __init__(self, answer: Any, client: Any) -> None:
        self._answer = answer
        self._client = client

    def __iter__(self) -> Any:
        return iter(self._answer)

    def close(self) -> None:
        if hasattr(self._answer, "close"):
            self._answer.close()
        with suppress(OSError):  # a reset, or nothing for too long: the answer was sent, that is all one can do
            self._client.shutdown(socket.SHUT_WR)
            self._client.settimeout(LINGER_IDLE_S)
            ends = time.monotonic() + LINGER_S
            while time.monotonic() < ends and self._client.recv(65536):
                pass
