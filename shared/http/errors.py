"""The one shape of an error answer, ``{"code", "status", "message", "errors"}``, and what becomes of each exception."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.http import HTTP_STATUS_CODES

from shared.errors import Forbidden, Misdirected, ServiceError, TooLarge, Unauthorized

_BEFORE_THE_BODY = (Unauthorized.status, Forbidden.status, Misdirected.status)
_SMALL_BODY = 65_536

log = logging.getLogger(__name__)


def error_response(
    status: int,
    message: str,
    *,
    errors: Mapping[str, list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return ``{"code", "status", "message", "errors"}`` with that status."""
    response = jsonify(error_body(status, message, errors))
    response.status_code = status
    response.headers.update(headers or {})
    if status == TooLarge.status or (status in _BEFORE_THE_BODY and _has_large_body()):
        # The rest of the body was not read; without this the server would read all of it before the next request.
        response.headers["Connection"] = "close"
    return response


def error_body(status: int, message: str, errors: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """Return the one shape of an error, as JSON."""
    name = HTTP_STATUS_CODES.get(status, "Error")
    body: dict[str, Any] = {"code": status, "status": name, "message": message or name}
    return body | ({"errors": errors} if errors else {})


def _has_large_body() -> bool:
    length = request.content_length
    return "Transfer-Encoding" in request.headers if length is None else length > _SMALL_BODY


def handle_errors(app: Flask) -> None:
    """Have the app answer its ServiceErrors with their status, and whatever it did not foresee with 500."""
    app.register_error_handler(ServiceError, _answer_service_error)
    app.register_error_handler(Exception, _answer_unexpected_error)


def answer_http_exception(error: HTTPException) -> Response:
    """Return the answer to one of Werkzeug's own errors; a 405 keeps its ``Allow``."""
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return error_response(error.code or 500, error.description or "", headers=headers)


def _answer_service_error(error: ServiceError) -> Response:
    headers = dict(error.headers) | ({} if error.retry_after is None else {"Retry-After": str(error.retry_after)})
    return error_response(error.status, error.message, errors=error.errors, headers=headers)


def _answer_unexpected_error(error: Exception) -> Response:
    log.error("request %s failed", g.request_id, exc_info=error)
    return error_response(500, "The service failed; its log has the reason under the request's id.")
