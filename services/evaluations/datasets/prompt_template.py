"""Prompt templates: Jinja2 in its sandbox over a row's fields, with bounds on what one may cost; pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

MAX_CHARACTERS = 2**20
_MAX_REPEATS = 10_000
_REFUSED = (nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block)
_DROPPED_FILTERS = ("center", "format", "indent", "wordwrap", "random", "pprint", "attr", "map", "urlize", "replace")
_METHODS = frozenset(
    ("strip", "lower", "upper", "title", "split", "startswith", "endswith", "items", "keys", "values", "get")
)


class TemplateProblem(Exception):
    """A template that is none, or a row that it cannot render."""


class _Environment(SandboxedEnvironment):
    """Refuses what makes much out of little: a row's prompt is no longer than the row and the template make it."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not all(isinstance(value, int | float) for value in (left, right)):
            raise TemplateError(f"{operator} is for numbers alone, and ** for none")
        return super().call_binop(context, operator, left, right)


_ENVIRONMENT = _Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
for _name in _DROPPED_FILTERS:
    del _ENVIRONMENT.filters[_name]
_ENVIRONMENT.globals = {"range": lambda *bounds: _bounded(range(*bounds))}


def _bounded(numbers: range) -> range:
    if len(numbers) > _MAX_REPEATS:
        raise TemplateError(f"a range is longer than {_MAX_REPEATS}")
    return numbers


class PromptTemplate:
    """A compiled template; raises TemplateProblem where it is none, or repeats within a repetition."""

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            parsed = _ENVIRONMENT.parse(source)
            refused = next(parsed.find_all(_REFUSED), None)
            if refused is not None:
                _refuse(f"{type(refused).__name__.lower()} is not allowed (line {refused.lineno})")
            for loop in parsed.find_all(nodes.For):
                if loop.recursive or any(inner is not loop for inner in loop.find_all(nodes.For)):
                    _refuse(f"a loop within a loop is not allowed (line {loop.lineno})")
            for call in parsed.find_all(nodes.Call):
                if not _is_harmless(call.node):
                    _refuse(f"only range() and a few methods of texts can be called (line {call.lineno})")
            # What a template tests for, or has a default of, it can do without.
            tested = {each.node.name for each in parsed.find_all(nodes.Test) if isinstance(each.node, nodes.Name)}
            defaulted = {
                each.node.name
                for each in parsed.find_all(nodes.Filter)
                if each.name in ("default", "d") and isinstance(each.node, nodes.Name)
            }
            self.required = meta.find_undeclared_variables(parsed) - tested - defaulted - {"range"}
            self._template = _ENVIRONMENT.from_string(source)
        except (TemplateError, RecursionError) as error:
            _refuse(_said(error), error)

    def render(self, fields: Mapping[str, Any]) -> str:
        """Return a row's prompt; TemplateProblem where the row lacks a name, or the result is too long."""
        pieces, size = [], 0
        try:
            for piece in self._template.generate(fields):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_CHARACTERS:
                    _refuse(f"a row's prompt is longer than {MAX_CHARACTERS} characters")
        except TemplateProblem:
            raise
        except Exception as error:  # whatever a template does to a row is the template's fault
            _refuse(_said(error), error)
        return "".join(pieces)


@lru_cache(maxsize=64)
def compile_template(source: str) -> PromptTemplate:
    """Return the template; compiling one takes longer than rendering a hundred rows."""
    return PromptTemplate(source)


def _is_harmless(called: nodes.Node) -> bool:
    if isinstance(called, nodes.Getattr):
        return called.attr in _METHODS
    return isinstance(called, nodes.Name) and called.name == "range"


def _refuse(problem: str, cause: BaseException | None = None) -> NoReturn:
    raise TemplateProblem(problem) from cause


def _said(error: BaseException) -> str:
    return str(error)[:300] if isinstance(error, TemplateError) else type(error).__name__
