"""The inference server over HTTP: one request with its deadline, and its failures translated."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import gevent

from services.evaluations.worker import completions
from services.evaluations.worker.http_connections import HttpConnections, NoConnection
from services.evaluations.worker.http_response import BadResponse, Response
from services.evaluations.worker.inference_errors import InferenceError
from shared.redaction import redact

MAX_ANSWER_BYTES = 4 * 2**20
_CONNECT_TIMEOUT_S = 5.0
_BUSY = frozenset({429, 503})
_RETRIED = frozenset({408, 409, 424, 425, 498})
"""Beside every 5xx."""


class InferenceServer:
    """The server at ``url``, which ends in ``/v1``; safe for many greenlets, on pooled connections.

    A user and a password in the URL are sent as Basic authentication, a query with every request; neither is shown.
    """

    def __init__(self, url: str, api_key: str | None, *, timeout_s: float, connections: int) -> None:
        parts = urlsplit(url)
        self.shown_url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._path = parts.path.rstrip("/")
        self._query = f"?{parts.query}" if parts.query else ""
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self._secrets = [secret for secret in (api_key, password, parts.password) if secret]
        headers = {"Host": parts.netloc.rpartition("@")[2], "Accept": "application/json", "Accept-Encoding": "identity"}
        if user or password:
            headers |= {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._timeout_s = timeout_s
        tls = parts.scheme == "https"
        self._http = HttpConnections(
            parts.hostname or "",
            parts.port or (443 if tls else 80),
            tls=tls,
            size=connections,
            connect_timeout_s=_CONNECT_TIMEOUT_S,
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON that answers a request, InferenceError where there is none."""
        answer = self._request("POST", path, json.dumps(body).encode())
        if answer.status != 200:
            raise self._refusal(answer)
        return completions.parse(answer.body)

    def list_models(self) -> list[str] | None:
        """Return the names that the server knows, or None where it does not say."""
        try:
            answer = self._request("GET", "/models")
            listed = json.loads(answer.body)["data"] if answer.status == 200 else None
            return None if listed is None else [str(entry["id"]) for entry in listed]
        except (InferenceError, ValueError, RecursionError, KeyError, TypeError):
            return None

    def _refusal(self, answer: Response) -> InferenceError:
        try:
            said = json.loads(answer.body)
            text = completions.error_message(said)
        except (ValueError, RecursionError):
            said, text = None, answer.body[:200].decode("utf-8", "replace")
        status, message = answer.status, redact(f"{answer.status}: {text[:2000]}", self._secrets)
        if status == 429 and "insufficient_quota" in str(said)[:2000]:
            return InferenceError("insufficient_quota", message)
        again = status in _RETRIED or 500 <= status < 600
        seconds = _seconds(answer.headers.get("retry-after", ""))
        return InferenceError(f"http_{status}", message, again=again, busy=status in _BUSY, retry_after=seconds)

    def _request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """Return a whole answer; the time-out is its deadline, to the last byte, however slowly the bytes come."""
        head = f"{method} {self._path}{path}{self._query} HTTP/1.1\r\n{self._head}"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        request = f"{head}\r\n".encode("ascii") + (body or b"")
        try:
            with gevent.Timeout(self._timeout_s):
                answer = self._http.request(request, MAX_ANSWER_BYTES + 1)
        except gevent.Timeout as error:
            raise InferenceError("timeout", f"No answer in {self._timeout_s:g} s.", again=True) from error
        except NoConnection as error:
            raise _no_connection(error.__cause__ or error) from error
        except (OSError, BadResponse) as error:
            raise InferenceError("connection", f"The connection failed: {_cause(error)}", again=True) from error
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise InferenceError("too_large", f"The answer is larger than {MAX_ANSWER_BYTES} bytes.")
        return answer


def _no_connection(cause: BaseException) -> InferenceError:
    if isinstance(cause, ssl.SSLError):
        return InferenceError("certificate", f"The secure connection failed: {_cause(cause)}")
    if isinstance(cause, TimeoutError):
        return InferenceError("timeout", f"No connection in {_CONNECT_TIMEOUT_S:g} s.", busy=True)
    return InferenceError("connection", f"The connection failed: {_cause(cause)}", busy=True)


def _cause(error: BaseException) -> str:
    """Return what the system says of a failure; a library's own text may repeat what it was given."""
    if isinstance(error, BadResponse):
        return str(error)
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return found.verify_message
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return type(error).__name__


def _seconds(retry_after: str) -> float | None:
    """Return what a Retry-After says, which is seconds or a date (RFC 9110, 10.2.3)."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0)
    except (ValueError, TypeError):  # a date without an offset cannot be subtracted
        return None
