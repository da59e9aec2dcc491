"""A client of the OpenAI API for one run: warm-up, adaptation to the server, retries."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gevent

from services.evaluations.worker import completions
from services.evaluations.worker.completions import Completion
from services.evaluations.worker.congestion import Congestion
from services.evaluations.worker.dialects import Dialect, Messages
from services.evaluations.worker.inference_errors import InferenceError, ServerAway, UnknownModel
from services.evaluations.worker.inference_server import InferenceServer

TRIES = 5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_REFUSALS = frozenset({"http_400", "http_404", "http_405", "http_422", "http_500", "http_501"})
"""May be refusals of how a model was asked; llama.cpp answers 500 where a template raises."""
_NO_CHAT = frozenset({"http_404", "http_405", "http_501"})
_UNKNOWN = re.compile(r"not.{0,3}found|not exist|unknown model|no such model|not loaded", re.I)


class InferenceClient:
    """Asks the models of one run; safe for many greenlets.

    A busy server is waited for as long as ``congestion`` bears, any other failure of a row is tried ``TRIES`` times.
    """

    def __init__(self, server: InferenceServer, congestion: Congestion, *, patience_s: float, same_model: bool) -> None:
        self._server = server
        self._congestion = congestion
        self._patience_s = patience_s
        self._same_model = same_model
        self._dialects: dict[str, Dialect] = {}
        self._warmed_up: dict[str, Completion] = {}
        """By model the answer to its last warm-up."""

    def warm_up(self, model: str, messages: Messages, parameters: dict[str, Any]) -> None:
        """Warm up: have the server load the model before answers are timed, and find out how it wants to be asked.

        ``messages`` have the shape of the rows'. What the server refuses (a system message, a parameter, the chat API)
        is avoided from then on. Raises UnknownModel, InferenceError or ServerAway. The name that the server answers by
        is compared with that of its later answers, where it names one.
        """
        self._warmed_up.pop(model, None)
        pause, patient_until = _FIRST_PAUSE_S, time.monotonic() + self._patience_s
        while True:
            dialect = self._dialects.setdefault(model, Dialect())
            body = dialect.body(model, messages, parameters)
            try:
                self._warmed_up[model] = self._try(model, dialect.path, body)
                return
            except InferenceError as error:
                if error.reason in ("no_completion", "only_reasoning"):
                    return  # a model that has nothing to say to that is loaded as well
                adapted = self._adapt(dialect, body, model, error)
                if adapted is not None:
                    self._dialects[model] = adapted
                    continue
                if not error.again or time.monotonic() > patient_until:
                    raise ServerAway(str(error)) from error
                if not error.busy:
                    gevent.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _adapt(self, dialect: Dialect, body: dict[str, Any], model: str, error: InferenceError) -> Dialect | None:
        """Return how to avoid a refusal, None where that is unknown; UnknownModel where it is the name's."""
        if error.reason not in _REFUSALS:
            return None
        self._require_known(model, error)
        adapted = dialect.adapt(str(error), body)
        if adapted is None and error.reason in _NO_CHAT and not dialect.completes:
            return replace(dialect, completes=True)
        return adapted

    def require_two(self, models: list[str]) -> None:
        """Raise InferenceError where the server answers by one name to both models."""
        if self._same_model or len(models) < 2:
            return
        if len(set(models)) == 1:
            raise InferenceError("other_model", f"Both models are asked as {models[0]!r}; allow_same_model allows it.")
        names = {self._answers_as(model) for model in models}
        if len(names) == 1 and (name := names.pop()) is not None:
            message = f"The inference server answers as {name!r} to both models; allow_same_model allows it."
            raise InferenceError("other_model", message)

    def describe(self, names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return what provenance says of the warm-up of models, by their keys in ``names``.

        That is what of their requests is otherwise than asked for, by what the server called each and its own
        configuration, and how long it took, in which the server may have had to load it.
        """
        warmed_up = {key: self._warmed_up.get(name) for key, name in names.items()}
        return {
            "adapted": {key: said for key, name in names.items() if (said := self.adaptations(name))},
            "answers_as": {
                key: {"model": found and found.model, "system_fingerprint": found and found.fingerprint}
                for key, found in warmed_up.items()
            },
            "warm_up_ms": {key: round(found.ms, 1) for key, found in warmed_up.items() if found is not None},
        }

    def _answers_as(self, model: str) -> str | None:
        warmed_up = self._warmed_up.get(model)
        return None if warmed_up is None else warmed_up.model

    def adaptations(self, model: str) -> list[str]:
        """Return what of a model's requests is otherwise than asked for."""
        return self._dialects.get(model, Dialect()).describe()

    def complete(self, model: str, messages: Messages, parameters: dict[str, Any]) -> Completion:
        """Return the model's answer; failures are retried with backoff, then InferenceError or ServerAway."""
        dialect = self._dialects.get(model) or Dialect()
        body = dialect.body(model, messages, parameters)
        tries, patient_until = 0, time.monotonic() + self._patience_s
        while True:
            try:
                return self._try(model, dialect.path, body)
            except InferenceError as error:
                tries += not error.busy
                if not error.again or tries == TRIES or time.monotonic() > patient_until:
                    raise
                if not error.busy:
                    gevent.sleep(_FIRST_PAUSE_S * 2 ** (tries - 1) * random.uniform(0.7, 1.3))

    def _try(self, model: str, path: str, body: dict[str, Any]) -> Completion:
        with self._congestion.in_flight():
            began = time.monotonic()
            try:
                answer = self._server.post(path, body)
                completion = completions.read(answer, (time.monotonic() - began) * 1000)
            except InferenceError as error:
                self._congestion.note_failure(error, began)
                raise
        self._congestion.note_answer()
        self._require_same(model, completion.model)
        return completion

    def _require_same(self, asked: str, name: str | None) -> None:
        """Raise InferenceError where another model answers than did during warm-up."""
        expected = self._answers_as(asked)
        if None not in (name, expected) and name != expected:
            message = f"{asked!r} was asked, and {name!r} answered in the place of {expected!r}."
            raise InferenceError("other_model", message)

    def _require_known(self, model: str, error: InferenceError) -> None:
        if error.reason != "http_404" and not (error.reason == "http_400" and _UNKNOWN.search(str(error))):
            return
        known = self._server.list_models()
        # Ollama lists a model by its tag and takes the name without it for the newest.
        if known is not None and not {model, f"{model}:latest"} & set(known):
            names = ", ".join(map(repr, known)) or "none"
            raise UnknownModel(f"The inference server does not know the model {model!r} ({error}). It knows: {names}.")
