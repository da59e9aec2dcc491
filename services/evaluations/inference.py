"""Asks an inference server that speaks the OpenAI chat-completions API (Ollama, vLLM, llama.cpp and others)."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, TimeoutError

SEED = 0
MAX_TOKENS = 256
MAX_ANSWER_BYTES = 4 * 2**20
PATIENCE_S = 60.0
"""How long an evaluation waits for a server that gives no answer at all, before it fails."""

_MAX_MESSAGE_CHARACTERS = 500
_TRIES = 5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class UnknownModel(Exception):
    """The server does not know the model; the message lists those that it knows."""


class InferenceError(Exception):
    """No answer; ``reason`` is one word (``timeout``, ``http_500``, ``invalid_json``), the message says it in full.

    ``again`` says that another try may get one, after ``retry_after`` seconds if the server named them.
    """

    def __init__(self, reason: str, message: str, *, again: bool = False, retry_after: float | None = None) -> None:
        super().__init__(_storable(message[:_MAX_MESSAGE_CHARACTERS]))
        self.reason = reason
        self.again = again
        self.retry_after = retry_after


@dataclass(frozen=True)
class Completion:
    text: str
    ms: float
    """From the request to the answer's last byte, of the try that succeeded."""


class InferenceServer:
    """The server at ``url``, which ends in ``/v1``; used by several threads at once."""

    def __init__(self, url: str, api_key: str | None, *, concurrency: int, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        timeout = urllib3.Timeout(connect=5, read=timeout_s)
        self._http = urllib3.PoolManager(maxsize=concurrency, timeout=timeout, retries=False)

    def warm_up(self, *models: str) -> None:
        """Have the server load each model, so that no answer's time holds that; UnknownModel, or InferenceError.

        A server that is away, or busy with other things, is waited for a minute.
        """
        for model in models:
            deadline = time.monotonic() + PATIENCE_S
            while (error := self._greet(model)) is not None:
                if error.reason in ("http_404", "http_400"):
                    self._require_known(model, error)
                if not error.again or time.monotonic() > deadline:
                    message = f"The inference server at {self.url} gives no answer: {error}"
                    raise InferenceError(error.reason, message) from error

    def _greet(self, model: str) -> InferenceError | None:
        try:
            self.complete(model, [{"role": "user", "content": "Hello"}])
        except InferenceError as error:
            # A model that has nothing to say to that is loaded as well.
            return None if error.reason == "no_completion" else error
        return None

    def _require_known(self, model: str, error: InferenceError) -> None:
        known = self._models()
        if known is not None and model not in known:
            names = ", ".join(repr(name) for name in known) or "none"
            raise UnknownModel(f"The inference server does not know the model {model!r}. It knows: {names}.") from error

    def complete(self, model: str, messages: list[dict[str, str]]) -> Completion:
        """Return the model's answer; a time-out, 429 or 5xx is tried again with growing pauses, then InferenceError."""
        body = {"model": model, "messages": messages, "temperature": 0, "seed": SEED, "max_tokens": MAX_TOKENS}
        pause = _FIRST_PAUSE_S
        for tries_left in reversed(range(_TRIES)):
            began = time.monotonic()
            try:
                return Completion(_text(self._post(body)), (time.monotonic() - began) * 1000)
            except InferenceError as error:
                if not error.again or not tries_left:
                    raise
                wait = max(error.retry_after or 0, pause * random.uniform(0.7, 1.3))
            time.sleep(min(wait, _LONGEST_PAUSE_S))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _post(self, body: dict[str, Any]) -> Any:
        status, headers, raw = self._request("POST", "/chat/completions", body)
        if status != 200:
            retry_after = headers.get("Retry-After", "")
            seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
            message = f"{status}: {_error_message(raw)}"
            raise InferenceError(f"http_{status}", message, again=status in _RETRIED, retry_after=seconds)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise InferenceError("invalid_json", f"The answer is not JSON: {raw[:200]!r}", again=True) from error

    def _request(self, method: str, path: str, body: Any = None) -> tuple[int, Any, bytes]:
        try:
            response = self._http.request(
                method, self.url + path, json=body, headers=self._headers, preload_content=False, redirect=False
            )
            raw = response.read(MAX_ANSWER_BYTES + 1)
            if len(raw) > MAX_ANSWER_BYTES:
                response.close()
            response.release_conn()
        except TimeoutError as error:
            raise InferenceError("timeout", f"No answer in time: {error}", again=True) from error
        except HTTPError as error:
            raise InferenceError("connection", f"The connection failed: {error}", again=True) from error
        if len(raw) > MAX_ANSWER_BYTES:
            raise InferenceError("too_large", f"The answer is larger than {MAX_ANSWER_BYTES} bytes.")
        return response.status, response.headers, raw

    def _models(self) -> list[str] | None:
        """Return the names that the server knows, or None where it does not say."""
        try:
            status, _, raw = self._request("GET", "/models")
            listed = json.loads(raw)["data"] if status == 200 else None
            return None if listed is None else [str(entry["id"]) for entry in listed]
        except (InferenceError, ValueError, KeyError, TypeError):
            return None


def messages_for(text: str, labels: list[str] | None) -> list[dict[str, str]]:
    """Return the chat: one system message that lists the labels, where there are labels, and the input as it is."""
    user = {"role": "user", "content": text}
    if labels is None:
        return [user]
    listed = ", ".join(labels)
    return [{"role": "system", "content": f"Answer with one of these labels and nothing else: {listed}"}, user]


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


def _error_message(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return raw[:200].decode("utf-8", "replace")
