"""Regular expressions of users, by RE2, whose time grows with the text and the pattern and no faster; pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

MAX_PATTERN_CHARACTERS = 1_000
MAX_CHARACTERS = 16_384
"""Of a longer answer the end is searched: with the worst of patterns that takes a second."""
_MAX_MEMORY = 2**20


class PatternProblem(Exception):
    """A pattern that is none, takes too much memory, or does not have the group."""


@lru_cache(maxsize=16)
def compile_pattern(pattern: str, group: int | str | None = None) -> tuple[Any, int]:
    """Return the compiled pattern and the group's number: the first one unless said, the whole match of a pattern
    without groups. PatternProblem."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternProblem(f"is longer than {MAX_PATTERN_CHARACTERS} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0]
        raise PatternProblem(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)) from error
    if isinstance(group, str):
        number = compiled.groupindex.get(group)
    else:
        number = min(1, compiled.groups) if group is None else group
    if number is None or not 0 <= number <= compiled.groups:
        raise PatternProblem(f"has no group {group}")
    return compiled, number


def find_group(text: str, pattern: str, group: int | str | None) -> str | None:
    """Return what a group of the pattern's first match holds, None where nothing matches."""
    compiled, number = compile_pattern(pattern, group)
    match = compiled.search(text[-MAX_CHARACTERS:])
    return None if match is None else match.group(number)
