"""Reads the records of a table, comma- or tab-separated, as its text comes in pieces (RFC 4180); pure."""

from __future__ import annotations

import csv
from collections.abc import Iterator

DELIMITERS = {"csv": ",", "tsv": "\t"}


class TableProblem(Exception):
    """On which line something is wrong with a table, and what."""


class TableReader:
    """The first record names the fields; a record may go over several lines inside of quotes."""

    def __init__(self, kind: str, max_characters: int) -> None:
        self._delimiter = DELIMITERS[kind]
        self._max_characters = max_characters
        self._names: list[str] | None = None
        self._line = 1
        self._open: list[str] = []
        self._open_characters = 0
        self._quotes = 0

    def records(self, lines: list[str], *, final: bool) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield each record that the lines complete, with the line that it begins on; none follows ``final`` ones."""
        for line in lines:
            self._open.append(line)
            self._open_characters += len(line)
            self._quotes += line.count('"')
            if self._quotes % 2 == 0:
                yield from self._complete()
            elif self._open_characters > self._max_characters:
                raise TableProblem(self._line, "A quote is not closed.")
        if final and self._open:
            raise TableProblem(self._line, "A quote is not closed.")

    def _complete(self) -> Iterator[tuple[int, dict[str, str]]]:
        started, text = self._line, "\n".join(self._open)
        self._line += len(self._open)
        self._open, self._open_characters, self._quotes = [], 0, 0
        if not text.strip():
            return
        try:
            (values,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise TableProblem(started, f"Is no record: {error}.") from error
        if self._names is None:
            self._names = [name.strip() for name in values]
            if len(set(self._names)) < len(self._names):
                raise TableProblem(started, "Two columns have one name.")
            return
        if len(values) != len(self._names):
            raise TableProblem(started, f"Has {len(values)} fields, the first line has {len(self._names)}.")
        yield started, dict(zip(self._names, values, strict=True))
