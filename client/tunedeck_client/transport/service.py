"""Requests to the service, repeated while it is away or full; standard library only."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from email.message import Message
from typing import Any, Callable, Iterator, Mapping, NamedTuple

from tunedeck_client.errors import TunedeckError, Unreachable, refused
from tunedeck_client.json_objects import parse_object
from tunedeck_client.transport.address import authorization, base_url
from tunedeck_client.transport.connections import Body, Connections
from tunedeck_client.transport.retry_after import read_retry_after
from tunedeck_client.version import __version__

PATIENCE = 60.0  # s for which one request is repeated
TIMEOUT = 60.0  # s without a byte
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
REPEATED = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


Read = Callable[[http.client.HTTPResponse], Answer]


class Stopped(TunedeckError):
    """Another transfer failed, so that this one was broken off."""


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """Read a response to its end; HTTPException where it breaks off, or does not end."""
    body = response.read(MAX_ANSWER_BYTES)
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    return Answer(response.status, response.headers, body)


class Service:
    """The API at an address; thread-safe.

    A request is repeated for `patience` seconds after its first failure where the same request may succeed
    later, and no longer once `stop` is set.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self.url = base_url(url)
        self.stop = threading.Event()
        self._authorization = authorization(token)
        self._patience = patience
        self._connections = Connections(TIMEOUT)

    def abort(self) -> None:
        """Break off all requests in all threads, and each later one."""
        self.stop.set()
        self._connections.abort()

    def close(self) -> None:
        """Close the connections that are kept for the next request."""
        self._connections.close()

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send JSON to a path below `/api/v1` and return the answer. Raises Refused and Unreachable."""
        data = None if body is None else json.dumps(body).encode()
        sent = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
        return self.object_of(self.send(method, f"/api/v1{path}", data, sent))

    def object_of(self, answer: Answer) -> dict[str, Any]:
        """Return the JSON object that was answered; Unreachable where the answer is not the service's own."""
        found = parse_object(answer.body)
        if found is None:
            raise Unreachable(f"what answers at {self.url} is not Tunedeck")
        return found

    def send(
        self,
        method: str,
        place: str,
        body: Body = None,
        headers: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        *,
        allowed: tuple[int, ...] = (),
        read: Read = read_answer,
        moved: Callable[[], int] = lambda: 0,
    ) -> Answer:
        """Send a request until it is answered; `place` is a path or, of a presigned link, a whole URL.

        Each try has its own `headers()`. `read` reads the answer; what it raises ends the request, unless it
        is a connection's error. Patience begins anew where `moved()` is another number than at the last
        failure. Raises Refused for what is neither a success nor one of `allowed`, and Unreachable.
        """
        deadline, pause, before = 0.0, FIRST_PAUSE, -1
        while True:
            sent = headers() if callable(headers) else headers or {}
            found, wait = self._try(method, place, body, sent, allowed, read)
            if isinstance(found, Answer):
                return found
            if moved() != before:
                before = moved()
                deadline, pause = time.monotonic() + self._patience, FIRST_PAUSE
            left = deadline - time.monotonic()
            if wait is None or max(wait, pause) > left:
                raise found
            if self.stop.wait(max(wait, pause)):
                raise Stopped("stopped") from found
            pause = min(pause * 2, LONGEST_PAUSE)

    @contextlib.contextmanager
    def open(self, place: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """GET a path once, for a response that is read as it comes. Raises Refused and Unreachable.

        What breaks off while it is read raises OSError or HTTPException where it is read.
        """
        url = f"{self.url}{place}"
        with contextlib.ExitStack() as stack:
            try:
                response = stack.enter_context(
                    self._connections.opened("GET", url, None, self._headers(url, headers))
                )
                is_good = 200 <= response.status < 300
                answer = None if is_good else read_answer(response)
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(f"{self.url} does not answer ({_reason(error)})") from error
            if answer is not None:
                raise self._refusal(answer, read_retry_after(answer.headers.get("Retry-After")))
            yield response

    def _headers(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {"User-Agent": f"tunedeck-client/{__version__}", **headers}
        # A presigned link is its own proof, and S3 refuses a second one beside it.
        if url.startswith(f"{self.url}/api/v1/"):
            sent.update(self._authorization)
        return sent

    def _try(
        self,
        method: str,
        place: str,
        body: Body,
        headers: Mapping[str, str],
        allowed: tuple[int, ...],
        read: Read,
    ) -> tuple[Answer | TunedeckError, float | None]:
        """Return the answer, or an error and the seconds to wait before the next try (None: none)."""
        url = place if "://" in place else f"{self.url}{place}"
        sent = self._headers(url, headers)

        def read_success(response: http.client.HTTPResponse) -> Answer:
            is_good = 200 <= response.status < 300 or response.status in allowed
            return read(response) if is_good else read_answer(response)

        try:
            answer = self._connections.exchange(method, url, body, sent, read_success)
        except ssl.SSLCertVerificationError as error:
            return Unreachable(f"{self.url} cannot be trusted: {error.verify_message}"), None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            return Unreachable(f"{self.url} does not answer ({_reason(error)})"), 0.0
        if 200 <= answer.status < 300 or answer.status in allowed:
            return answer, None
        retry_after = read_retry_after(answer.headers.get("Retry-After"))
        is_passing = answer.status in REPEATED or (answer.status == 409 and retry_after is not None)
        return self._refusal(answer, retry_after), (retry_after or 0.0) if is_passing else None

    def _refusal(self, answer: Answer, retry_after: float | None) -> TunedeckError:
        message = (parse_object(answer.body) or {}).get("message")
        if message is None:
            if 300 <= answer.status < 400:
                return Unreachable(f"{self.url} sends on to {answer.headers.get('Location', 'elsewhere')}")
            if answer.status == 404:
                return Unreachable(f"what answers at {self.url} is not Tunedeck")
            message = f"{self.url} answers {answer.status}"
        request_id = answer.headers.get("X-Request-ID")
        return refused(answer.status, str(message), request_id=request_id, retry_after=retry_after)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error) or type(error).__name__
