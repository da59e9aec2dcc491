"""Reads completions out of answers of the OpenAI API: chat or text, whole or streamed, content parts; pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from services.evaluations.worker.inference_errors import InferenceError, storable

_FAILED = frozenset({"error", "content_filter", "abort"})
"""Reasons to finish that leave no answer."""

_REASONING = ("reasoning_content", "reasoning", "thinking")


class Completion(NamedTuple):
    text: str
    ms: float
    """From the request to the answer's last byte, of the try that succeeded."""
    model: str | None
    """As the server calls it."""
    truncated: bool = False
    """It ended because it was as long as it may be."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    fingerprint: str | None = None
    """Of the server's configuration, ``system_fingerprint``, where it names one."""


def parse(body: bytes) -> Any:
    """Return the JSON of an answer, or of all events of a stream in one; InferenceError where it is neither."""
    try:
        return _joined(body) if body.lstrip().startswith((b"data:", b"event:", b":")) else json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InferenceError("invalid_json", f"The answer is not JSON: {body[:200]!r}", again=True) from error


def read(answer: Any, ms: float) -> Completion:
    """Return the completion in an answer; none at all (null, no choice) is an error, an empty one an answer."""
    if isinstance(answer, dict) and answer.get("error") and not answer.get("choices"):
        raise InferenceError("error_answer", f"200 with an error: {error_message(answer)}", again=True)
    try:
        choice = answer["choices"][0]
        message = choice.get("message") or {"content": choice.get("text")}
        content, finish = message.get("content"), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InferenceError("no_completion", f"The answer has no completion: {str(answer)[:200]}") from error
    if finish in _FAILED:
        raise InferenceError(
            finish, f"The generation ended with finish_reason {finish!r}.", again=finish != "content_filter"
        )
    text = _text(message, content)
    usage = answer.get("usage") or {}
    name, fingerprint = answer.get("model"), answer.get("system_fingerprint")
    return Completion(
        storable(text),
        ms,
        name if isinstance(name, str) else None,
        finish == "length",
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        fingerprint if isinstance(fingerprint, str) else None,
    )


def error_message(answer: Any) -> str:
    """Return the message of an error in whichever of the usual shapes it comes."""
    if not isinstance(answer, dict):
        return str(answer)[:200]
    error = answer.get("error") or answer.get("detail") or answer.get("message") or answer
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)


def _text(message: dict[str, Any], content: Any) -> str:
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
        if texts or not content:
            return "".join(texts)
    if isinstance(content, str):
        return content
    if content is None and any(message.get(name) for name in _REASONING):
        raise InferenceError(
            "only_reasoning", "The model reasoned and gave no answer: raise max_tokens, or have it not reason."
        )
    raise InferenceError("no_completion", f"The completion is {content!r}.")


def _count(usage: Any, name: str) -> int | None:
    tokens = usage.get(name) if isinstance(usage, dict) else None
    return tokens if type(tokens) is int and 0 <= tokens < 2**31 else None


def _joined(body: bytes) -> Any:
    """Return a stream of server-sent events as the one answer that it would have been."""
    text, finish = [], None
    whole: dict[str, Any] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        event = json.loads(data)
        whole |= {name: value for name, value in event.items() if value is not None}
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
            text.append(delta.get("content") or "")
            finish = choice.get("finish_reason") or finish
    if not text:
        return whole
    return whole | {"choices": [{"message": {"content": "".join(text)}, "finish_reason": finish}]}
