"""Makes the messages of a row: system message, few-shot examples, the row by a template; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.evaluations.datasets.parser import Row
from services.evaluations.worker.dialects import Messages

SYSTEM_PROMPT = "Answer with one of these labels and nothing else: {labels}"
USER_PROMPT = "{{ input }}"


class Prompt:
    """How rows are asked: a system message that lists the labels, if there are any, and the input verbatim."""

    def __init__(self, labels: Sequence[str] | None) -> None:
        system = None if labels is None else SYSTEM_PROMPT.format(labels=", ".join(labels))
        self._before: Messages = [] if system is None else [{"role": "system", "content": system}]

    def messages(self, row: Row) -> Messages:
        """Return the messages that ask a row."""
        return [*self._before, {"role": "user", "content": row.input}]

    def warm_up(self, row: Row) -> Messages:
        """Return messages of the shape of a row's, with a greeting in the place of its question."""
        *before, last = self.messages(row)
        return [*before, {**last, "content": "Hello"}]

    def describe(self) -> dict[str, Any]:
        """Return what provenance says of the prompt."""
        return {"system": self._before[0]["content"] if self._before else None, "template": USER_PROMPT}
