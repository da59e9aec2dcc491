"""What every service answers alike: errors in one shape, request ids, strict bodies, health, its OpenAPI document."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import flask_smorest
import marshmallow as ma
from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import BaseConverter

from shared import strict_json
from shared.errors import BadRequest, ServiceError, TooLarge, UnsupportedMediaType
from shared.fields import MAX_ID, unprocessable

MIB = 2**20
BODY_LIMIT = MIB
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

Check = Callable[[], object]
"""Raises when what it asks for is not there."""

log = logging.getLogger(__name__)


class _IdConverter(BaseConverter):
    """An id in a path; anything but 1…2⁶³−1 in ASCII digits matches no route (Werkzeug's own takes ``٣``)."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        number = int(value)
        if not 1 <= number <= MAX_ID:
            # Not the router's ValidationError: that goes on looking, and answers 405 where another method has the path.
            raise NotFound
        return number


class _RestConverter(BaseConverter):
    """All that follows, also what is no path, so that it can be refused as one with 422."""

    regex = "(?s:.*)"
    part_isolating = False


class _StrictParser(FlaskParser):
    """Reads bodies with ``shared.strict_json``, and answers in the one error shape."""

    def load_json(self, req: Any, schema: Any) -> Any:
        if not request.is_json:
            raise UnsupportedMediaType("The body must be JSON, sent as Content-Type: application/json.")
        return strict_json.loads(read_body(schema.body_limit))

    def handle_error(self, error: ma.ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        by_location: Any = error.messages
        raise unprocessable(next(iter(by_location.values()))) from error


class Blueprint(flask_smorest.Blueprint):
    ARGUMENTS_PARSER = _StrictParser()


class _Api(flask_smorest.Api):
    """The framework's error answers, with ``message`` always there and ``Allow`` kept."""

    def handle_http_exception(self, error: HTTPException) -> Any:
        headers: dict[str, str] = {}
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return error_response(error.code or 500, error.description or "", headers=headers)


def read_body(limit: int = BODY_LIMIT) -> bytes:
    """Return the request's body; TooLarge at once by its declared length, else at the first byte above ``limit``."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    left = limit + 1
    try:
        while left > 0 and (part := request.stream.read(left)):
            parts.append(part)
            left -= len(part)
    except (OSError, ParseException) as error:  # gunicorn's, for a body that breaks off or is badly chunked
        raise BadRequest(f"The body could not be read: {error}.") from error
    if left <= 0:
        raise _too_large(limit)
    body = b"".join(parts)
    # gunicorn gives what came of a body whose sender hung up, as if it were all.
    if request.content_length not in (None, len(body)):
        raise BadRequest(f"The body broke off after {len(body)} of {request.content_length} bytes.")
    return body


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")


def error_response(
    status: int,
    message: str,
    *,
    errors: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return ``{"code", "status", "message", "errors"}`` with that status."""
    name = HTTP_STATUS_CODES.get(status, "Error")
    body: dict[str, Any] = {"code": status, "status": name, "message": message or name}
    if errors:
        body["errors"] = errors
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers or {})
    if status == TooLarge.status:
        # The rest of the body was not read; without this the server would read all of it before the next request.
        response.headers["Connection"] = "close"
    return response


def _answer_service_error(error: ServiceError) -> Response:
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return error_response(error.status, error.message, errors=error.errors, headers=headers)


def _answer_unexpected_error(error: Exception) -> Response:
    log.exception("request %s failed", g.request_id)
    return error_response(500, "The service failed; its log has the reason under the request's id.")


class _App(Flask):
    def ensure_sync(self, func: Any) -> Any:
        """Return it: no function of ours is a coroutine's, and to ask takes longer than some of them do."""
        return func


def create_service(title: str, blueprints: Iterable[Blueprint], checks: Mapping[str, Check]) -> Flask:
    """Return the Flask app of a service: its blueprints, ``/healthz``, ``/readyz`` and ``/openapi.json``.

    ``checks`` names each dependency with the call that ``/readyz`` makes; a call that raises is not ready.
    """
    app = _App(title)
    app.config.update(
        API_TITLE=title,
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = _IdConverter
    app.url_map.converters["rest"] = _RestConverter
    app.wsgi_app = _HangUp(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's documentation has it
    app.before_request(_name_request)
    app.after_request(_stamp_request_id)
    app.register_error_handler(ServiceError, _answer_service_error)
    app.register_error_handler(Exception, _answer_unexpected_error)
    api = _Api(app)
    api.register_converter(_IdConverter, lambda _: {"type": "integer", "minimum": 1, "maximum": MAX_ID})
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    _add_health(app, checks)
    return app


class _HangUp:
    """Passes an app's ``Connection: close`` on to gunicorn, which drops that header and would keep the connection.

    The server's response object is reachable in one way only: as the owner of ``start_response``.
    """

    def __init__(self, wsgi_app: Any) -> None:
        self._wsgi_app = wsgi_app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
            if force_close is not None and ("Connection", "close") in headers:
                force_close()
            return start_response(status, headers, exc_info)

        return self._wsgi_app(environ, start)


def _name_request() -> None:
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()


def _stamp_request_id(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    return response


def _add_health(app: Flask, checks: Mapping[str, Check]) -> None:
    def get_health() -> ResponseReturnValue:
        return {"status": "ok"}

    def get_readiness() -> ResponseReturnValue:
        states = {name: _state(check) for name, check in checks.items()}
        return states, 200 if all(state == "ok" for state in states.values()) else 503

    app.add_url_rule("/healthz", view_func=get_health)
    app.add_url_rule("/readyz", view_func=get_readiness)


def _state(check: Check) -> str:
    try:
        check()
    except Exception as error:  # whatever it is, the answer must name it
        return f"{type(error).__name__}: {error}"
    return "ok"
