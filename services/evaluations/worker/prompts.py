"""Makes the messages of a row: system message, few-shot examples, the row by a template; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.evaluations.datasets.prompt_template import PromptTemplate, TemplateProblem, compile_template
from services.evaluations.datasets.row_shapes import Row
from services.evaluations.worker.dialects import Messages

SYSTEM_PROMPT = "Answer with one of these labels and nothing else: {labels}"
DEFAULT_TEMPLATE = "{{ input }}"


class Prompt:
    """How rows are asked.

    By default a system message lists the labels, if there are any, and the user's is the input, after the row's own
    ``instruction`` where it has one. A row that is a conversation is asked as it is; its system message stays, unless
    the prompt says another.
    """

    def __init__(
        self, wanted: Mapping[str, Any] | None, labels: Sequence[str] | None, shots: Iterable[Row] = ()
    ) -> None:
        wanted = wanted or {}
        self._is_own_system = "system" in wanted
        listed = None if labels is None else SYSTEM_PROMPT.format(labels=", ".join(labels))
        self._system = wanted["system"] if self._is_own_system else listed
        source = wanted.get("template")
        self._template: PromptTemplate | None = compile_template(source) if source else None
        self._shots: Messages = []
        for shot in shots:
            self._shots += [*self._question(shot), {"role": "assistant", "content": shot.expected}]

    def messages(self, row: Row) -> Messages:
        """Return the messages that ask a row; TemplateProblem where the template cannot render it."""
        return self._around(self._question(row))

    def warm_up(self, row: Row) -> Messages:
        """Return messages of the shape of a row's, with a greeting in the place of its question."""
        *before, last = self.first_request(row) or self._around([{"role": "user", "content": ""}])
        return [*before, {**last, "content": "Hello"}]

    def first_request(self, row: Row) -> Messages | None:
        """Return a row's messages to show, None where it has none."""
        try:
            return self.messages(row)
        except TemplateProblem:
            return None

    def describe(self) -> dict[str, Any]:
        """Return what provenance says of the prompt."""
        template = DEFAULT_TEMPLATE if self._template is None else self._template.source
        asked = json.dumps([self._system, template, self._shots])
        return {
            "system": self._system,
            "template": template,
            "examples": len(self._shots) // 2,
            "sha256": hashlib.sha256(asked.encode()).hexdigest(),
        }

    def _question(self, row: Row) -> Messages:
        if row.messages is not None and self._template is None:
            return list(row.messages)
        if self._template is not None:
            fields = {**row.fields, "input": row.input}
            return [{"role": "user", "content": self._template.render(fields)}]
        instruction = row.fields.get("instruction")
        has_instruction = isinstance(instruction, str) and instruction.strip() and instruction != row.input
        text = f"{instruction}\n\n{row.input}".strip() if has_instruction else row.input
        return [{"role": "user", "content": text}]

    def _around(self, asked: Messages) -> Messages:
        own = [message for message in asked if message["role"] in ("system", "developer")]
        others = [message for message in asked if message not in own]
        if self._is_own_system or not own:
            own = [] if self._system is None else [{"role": "system", "content": self._system}]
        return [*own, *self._shots, *others]
