"""OpenAI's chat API, as far as a classifier can serve it: from the body of a request to that of its response."""

import json
import time
import uuid
from typing import Any

from examples.kernel import features
from examples.kernel.data import LABELS
from examples.kernel.served_models import ServedModels

JsonObject = dict[str, Any]


class ChatError(Exception):
    """A request that cannot be served; `body` has the shape of OpenAI's errors, whose `code` clients read."""

    def __init__(self, status: int, message: str, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.status = status
        self.body: JsonObject = {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def models(served_models: ServedModels) -> JsonObject:
    """Return the response to `GET /v1/models`."""
    entry = {"object": "model", "created": 0, "owned_by": "tunedeck"}
    return {"object": "list", "data": [{"id": name, **entry} for name in served_models.names()]}


def complete(served_models: ServedModels, body: bytes) -> JsonObject:
    """Return the response to `POST /v1/chat/completions`: the label of the last user message. Raises ChatError.

    `temperature`, `seed` and `max_tokens` are accepted and change nothing: a classifier draws no samples.
    """
    request = _parse(body)
    name = request.get("model")
    if not isinstance(name, str):
        raise ChatError(400, "'model' must be a string")
    model = served_models.find(name)
    if model is None:
        known = ", ".join(f"'{known}'" for known in served_models.names())
        raise ChatError(404, f"The model '{name}' does not exist. Known: {known}", "model_not_found")
    if request.get("stream"):
        raise ChatError(400, "'stream' is not supported: the whole answer is a single token")

    messages = _messages(request.get("messages"))
    inputs = [text for role, text in messages if role == "user"]
    if not inputs:
        raise ChatError(400, "'messages' must hold a message of the role 'user'")
    instructions = {word for role, text in messages if role == "system" for word in features.words(text)}
    listed = tuple(label for label in LABELS if label in instructions)
    label = model.label(inputs[-1], among=listed or LABELS)

    prompt_tokens = sum(len(features.words(text)) for _, text in messages)
    choice = {"index": 0, "message": {"role": "assistant", "content": label}, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": name,
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": 1,
            "total_tokens": prompt_tokens + 1,
        },
    }


def _parse(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChatError(400, f"The body is not valid JSON: {error}") from error
    if not isinstance(request, dict):
        raise ChatError(400, "The body must be a JSON object")
    return request


def _messages(given: object) -> list[tuple[str, str]]:
    """Return the role and the text of each message."""
    if not isinstance(given, list) or not given:
        raise ChatError(400, "'messages' must be a list with at least one message")
    return [_message(index, message) for index, message in enumerate(given)]


def _message(index: int, message: object) -> tuple[str, str]:
    match message:
        case {"role": str(role), "content": str(text)}:
            return role, text
        case {"role": str(role), "content": [*parts]}:
            return role, " ".join(_part(index, part) for part in parts)
    raise ChatError(400, f"'messages[{index}]' must have a 'role' and a 'content', both strings")


def _part(index: int, part: object) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
    raise ChatError(400, f"'messages[{index}].content' may hold parts of the type 'text' only")
