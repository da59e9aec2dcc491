"""A client of the OpenAI chat-completions API (Ollama, vLLM, llama.cpp and others): retries, deadlines, warm-up."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gevent
import urllib3

SYSTEM_PROMPT = "Answer with one of these labels and nothing else: {labels}"
USER_PROMPT = "{input}"
TEMPERATURE = 0
SEED = 0
MAX_TOKENS = 256
MAX_ANSWER_BYTES = 4 * 2**20
PATIENCE_S = 60.0
"""How long an evaluation waits for a server that gives no answer at all, before it fails."""

_CONNECT_TIMEOUT_S = 5.0
_MAX_MESSAGE_CHARACTERS = 500
TRIES = 5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LONGEST_WAIT_S = 300.0
"""More than that a server's Retry-After does not get."""
_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class UnknownModel(Exception):
    """The server does not know the model; the message lists those that it knows."""


class InferenceError(Exception):
    """No answer; ``reason`` is one word (``timeout``, ``http_500``, ``invalid_json``), the message says it in full.

    ``again``: it is worth a retry, after ``retry_after`` seconds if the server named them.
    """

    def __init__(self, reason: str, message: str, *, again: bool = False, retry_after: float | None = None) -> None:
        super().__init__(_storable(message[:_MAX_MESSAGE_CHARACTERS]))
        self.reason = reason
        self.again = again
        self.retry_after = retry_after


class Completion(NamedTuple):
    text: str
    ms: float
    """From the request to the answer's last byte, of the try that succeeded."""
    model: str | None
    """As the server calls it."""


class _Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class InferenceClient:
    """The server at ``url``, which ends in ``/v1``; safe for many greenlets, on pooled connections."""

    def __init__(self, url: str, api_key: str | None, *, timeout_s: float, connections: int) -> None:
        self.url = url.rstrip("/")
        self._path = urlsplit(self.url).path
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._timeout_s = timeout_s
        self._answers_as: dict[str, str] = {}
        self._http = urllib3.connection_from_url(
            self.url, maxsize=connections, retries=False, timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT_S, read=None)
        )

    def warm_up(self, *models: str) -> None:
        """Warm up: have the server load each model before answers are timed. Raises UnknownModel or InferenceError.

        A server that is away, or busy with other things, is waited for a minute. The name that the server
        answers by is compared with that of its later answers, where it names one.
        """
        for model in models:
            self._answers_as.pop(model, None)
            deadline = time.monotonic() + PATIENCE_S
            while (error := self._load_model(model)) is not None:
                if error.reason in ("http_404", "http_400"):
                    self._require_known(model, error)
                if not error.again or time.monotonic() > deadline:
                    message = f"The inference server at {self.url} gives no answer: {error}"
                    raise InferenceError(error.reason, message) from error
        names = {self._answers_as[model] for model in models if model in self._answers_as}
        if len(names) == 1 < len(set(models)):
            raise InferenceError("other_model", f"The inference server answers as {names.pop()!r} to both models.")

    def _load_model(self, model: str) -> InferenceError | None:
        try:
            answered = self.complete(model, [{"role": "user", "content": "Hello"}]).model
        except InferenceError as error:
            # A model that has nothing to say to that is loaded as well.
            return None if error.reason == "no_completion" else error
        if answered is not None:
            self._answers_as[model] = answered
        return None

    def _require_known(self, model: str, error: InferenceError) -> None:
        known = self._models()
        if known is not None and model not in known:
            names = ", ".join(repr(name) for name in known) or "none"
            raise UnknownModel(f"The inference server does not know the model {model!r}. It knows: {names}.") from error

    def complete(self, model: str, messages: list[dict[str, str]]) -> Completion:
        """Return the model's answer; a time-out, 429 or 5xx is retried with backoff, then InferenceError."""
        body = {
            "model": model,
            "messages": messages,
            "temperature": TEMPERATURE,
            "seed": SEED,
            "max_tokens": MAX_TOKENS,
        }
        pause = _FIRST_PAUSE_S
        for tries_left in reversed(range(TRIES)):
            began = time.monotonic()
            try:
                answer = self._post(body)
                ms = (time.monotonic() - began) * 1000
                return Completion(_text(answer), ms, self._model_of(answer, model))
            except InferenceError as error:
                if not error.again or not tries_left:
                    raise
                wait = max(min(error.retry_after or 0, _LONGEST_WAIT_S), pause * random.uniform(0.7, 1.3))
            gevent.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _model_of(self, answer: Any, asked: str) -> str | None:
        """Return the model's name in an answer, if any; InferenceError where it was another during warm-up."""
        name = answer.get("model")
        if not isinstance(name, str):
            return None
        expected = self._answers_as.get(asked, name)
        if name != expected:
            raise InferenceError(
                "other_model", f"{asked!r} was asked, and {name!r} answered in the place of {expected!r}."
            )
        return name

    def _post(self, body: dict[str, Any]) -> Any:
        answer = self._request("POST", "/chat/completions", json.dumps(body).encode())
        if answer.status != 200:
            seconds = _seconds(answer.headers.get("Retry-After", ""))
            message = f"{answer.status}: {_error_message(answer.body)}"
            again = answer.status in _RETRIED
            raise InferenceError(f"http_{answer.status}", message, again=again, retry_after=seconds)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            shown = repr(answer.body[:200])
            raise InferenceError("invalid_json", f"The answer is not JSON: {shown}", again=True) from error

    def _request(self, method: str, path: str, body: bytes | None = None) -> _Response:
        """Return a whole answer; the time-out is its deadline, to the last byte, however slowly the bytes come."""
        headers = self._headers if body is None else self._headers | {"Content-Type": "application/json"}
        try:
            with gevent.Timeout(self._timeout_s):
                url = self._path + path
                response = self._http.urlopen(
                    method, url, body, headers, redirect=False, preload_content=False, decode_content=False
                )
                # Closed before its end, a response closes its connection as well, which is not used again.
                with closing(response):
                    answer = _Response(response.status, response.headers, response.read(MAX_ANSWER_BYTES + 1))
        except gevent.Timeout as error:
            raise InferenceError("timeout", f"No answer in {self._timeout_s:g} s.", again=True) from error
        except urllib3.exceptions.NewConnectionError as error:  # refused, though urllib3 counts it among the time-outs
            raise InferenceError("connection", f"The connection failed: {error}", again=True) from error
        except urllib3.exceptions.TimeoutError as error:
            raise InferenceError("timeout", f"No connection in {_CONNECT_TIMEOUT_S:g} s.", again=True) from error
        except urllib3.exceptions.HTTPError as error:
            raise InferenceError("connection", f"The connection failed: {error}", again=True) from error
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise InferenceError("too_large", f"The answer is larger than {MAX_ANSWER_BYTES} bytes.")
        return answer

    def _models(self) -> list[str] | None:
        """Return the names that the server knows, or None where it does not say."""
        try:
            answer = self._request("GET", "/models")
            listed = json.loads(answer.body)["data"] if answer.status == 200 else None
            return None if listed is None else [str(entry["id"]) for entry in listed]
        except (InferenceError, ValueError, KeyError, TypeError):
            return None


def messages_for(text: str, labels: list[str] | None) -> list[dict[str, str]]:
    """Return the messages: a system message that lists the labels, if there are any, and the input verbatim."""
    user = {"role": "user", "content": USER_PROMPT.format(input=text)}
    if labels is None:
        return [user]
    return [{"role": "system", "content": SYSTEM_PROMPT.format(labels=", ".join(labels))}, user]


def _text(answer: Any) -> str:
    """Return the completion's text; none at all (null, no choice) is an error, an empty one an answer."""
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise InferenceError("no_completion", f"The answer has no completion: {str(answer)[:200]}") from error
    if not isinstance(content, str):
        raise InferenceError("no_completion", f"The completion is {content!r}.")
    return _storable(content)


def _storable(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _seconds(retry_after: str) -> float | None:
    """Return what a Retry-After says, which is seconds or a date (RFC 9110, 10.2.3)."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0)
    except (ValueError, TypeError):  # a date without an offset cannot be subtracted
        return None


def _error_message(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return raw[:200].decode("utf-8", "replace")
