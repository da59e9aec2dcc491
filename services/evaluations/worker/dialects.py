"""Dialects of the OpenAI API: what a server refuses is left out, renamed or said in another way; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

Messages = list[dict[str, str]]

_SYSTEM = re.compile(
    r"system.{0,40}(?:role|message|prompt|instruct|support)|roles? must alternate|only user and assistant", re.I | re.S
)
_NO_TEMPLATE = re.compile(r"chat.?template|does not support chat|not a chat model", re.I)
_REFUSED = re.compile(
    r"support|unrecogni|unknown|invalid|extra|permitted|allowed|unexpected|deprecated|only|must be", re.I
)
_RENAMED = {"max_tokens": "max_completion_tokens"}


@dataclass(frozen=True)
class Dialect:
    """How one model is asked; the default is OpenAI's chat API as everybody speaks it."""

    folds_system: bool = False
    completes: bool = False
    left_out: frozenset[str] = frozenset()
    renamed: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        return "/completions" if self.completes else "/chat/completions"

    def body(self, model: str, messages: Messages, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return a request's body."""
        sent = {
            _RENAMED[name] if name in self.renamed else name: value
            for name, value in parameters.items()
            if name not in self.left_out
        }
        if self.completes:
            return {"model": model, "prompt": "\n\n".join(message["content"] for message in messages), **sent}
        return {"model": model, "messages": _folded(messages) if self.folds_system else messages, **sent}

    def describe(self) -> list[str]:
        """Return what is done otherwise than asked for, a sentence each."""
        said = [f"{name} is not sent: the server refuses it." for name in sorted(self.left_out)]
        said += [f"{name} is sent as {_RENAMED[name]}." for name in sorted(self.renamed)]
        if self.folds_system:
            said.append("The system message stands before the first user message: the server refuses one.")
        if self.completes:
            said.append("It is asked for text completions: the model has no chat template.")
        return said

    def adapt(self, message: str, body: dict[str, Any]) -> Dialect | None:
        """Return the dialect that avoids what an error's message refuses of a request, None where that is unknown."""
        if not self.completes and _NO_TEMPLATE.search(message):
            return replace(self, completes=True)
        for name, other in _RENAMED.items():
            if name in body and other in message:
                return replace(self, renamed=self.renamed | {name})
        has_system = any(each["role"] == "system" for each in body.get("messages", ()))
        if has_system and _SYSTEM.search(message):
            return replace(self, folds_system=True)
        if not _REFUSED.search(message):
            return None
        for name in sorted(body.keys() - {"model", "messages", "prompt"}, key=len, reverse=True):
            if re.search(rf"\b{re.escape(name)}\b", message):
                original = next((old for old, new in _RENAMED.items() if new == name), name)
                return replace(self, left_out=self.left_out | {original})
        return None


def _folded(messages: Messages) -> Messages:
    """Return the messages with the system's text before that of the first user message."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [message for message in messages if message["role"] != "system"]
    first = next((number for number, message in enumerate(others) if message["role"] == "user"), None)
    if not system:
        return others
    if first is None:
        return [{"role": "user", "content": system}, *others]
    folded = {"role": "user", "content": f"{system}\n\n{others[first]['content']}"}
    return [*others[:first], folded, *others[first + 1 :]]
