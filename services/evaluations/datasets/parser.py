"""An incremental parser of test sets: a JSON array, JSON Lines, or a table, comma- or tab-separated.

An object's other fields are ignored, but for a prompt's template.
"""

from __future__ import annotations

import csv
import json
import re
from typing import Any, NoReturn

from services.evaluations.datasets.row_shapes import Reading, Row, RowProblem, read_row
from services.evaluations.datasets.set_statistics import SetStatistics
from services.evaluations.datasets.table_rows import DELIMITERS, TableProblem, TableReader
from services.evaluations.datasets.text_decoder import TextDecoder
from shared.errors import Unprocessable

PIECE_BYTES = 64 * 1024
MAX_ROW_CHARACTERS = 2**20

_SPACE = re.compile(r"[ \t\r\n]*")

csv.field_size_limit(MAX_ROW_CHARACTERS)


class RowReader:
    """Takes the bytes in pieces, and returns the rows that are complete by then.

    Raises Unprocessable, naming the line and the row. It holds at most one row and the piece that it was fed; a row
    is read anew with each piece until it is whole, so the pieces should be large (PIECE_BYTES).
    """

    def __init__(self, reading: Reading = Reading()) -> None:
        self.statistics = SetStatistics()
        self._reading = reading
        self._table = TableReader(reading.format, MAX_ROW_CHARACTERS) if reading.format in DELIMITERS else None
        self._decoder = TextDecoder()
        self._text = ""
        self._line = 1
        """The line on which ``_text`` begins."""
        self._expects = ""
        """In an array what comes next: ``{`` or ``]``, ``{``, ``,`` or nothing; "lines" where it is no array."""

    def feed(self, piece: bytes) -> list[Row]:
        return self._read(piece, final=False)

    def finish(self) -> list[Row]:
        """Return the last rows; Unprocessable where there was none at all."""
        rows = self._read(b"", final=True)
        if self._expects not in ("lines", "end", ""):
            self._refuse(self._line + self._text.count("\n"), "The array is not closed.")
        if not self.statistics.rows:
            raise Unprocessable.field("body", "Has no rows.")
        return rows

    def _read(self, piece: bytes, *, final: bool) -> list[Row]:
        try:
            self._text += self._decoder.decode(piece, final=final)
        except UnicodeDecodeError as error:
            line = self._line + self._text.count("\n") + error.object[: error.start].count(b"\n")
            raise Unprocessable.field(f"line {line}", f"Is not {self._decoder.encoding}.") from error
        if not self._expects:
            start = _end_of_space(self._text, 0)
            if start == len(self._text):
                return []
            self._expects = "[" if self._text[start] == "[" and self._table is None else "lines"
        return self._read_lines(final) if self._expects == "lines" else self._read_array(final)

    def _read_lines(self, final: bool) -> list[Row]:
        *lines, self._text = f"{self._text}\n".split("\n") if final else self._text.split("\n")
        if len(self._text) > MAX_ROW_CHARACTERS:
            self._refuse_length(self._line + len(lines))
        if self._table is not None:
            self._line += len(lines)
            return self._read_table(self._table, lines, final)
        rows = []
        for text in lines:
            text = text.strip(" \t\r")
            if text:
                value, end = self._decode(text, 0, self._line)
                if end != len(text):
                    self._refuse(self._line, "Something follows the object.")
                rows.append(self._checked(value, self._line))
            self._line += 1
        return rows

    def _read_table(self, table: TableReader, lines: list[str], final: bool) -> list[Row]:
        try:
            found = table.records([line.removesuffix("\r") for line in lines], final=final)
            return [self._checked(record, line) for line, record in found]
        except TableProblem as error:
            line, problem = error.args
            self._refuse(line, problem, error)

    def _read_array(self, final: bool) -> list[Row]:
        text, rows, position, counted = self._text, [], 0, 0
        while (start := _end_of_space(text, position)) < len(text):
            self._line += text.count("\n", counted, start)
            counted = start
            if text[start] == "{" and self._expects in ("{", "{]"):
                found = self._decode_if_whole(text, start, final)
                if found is None:
                    break
                value, position = found
                rows.append(self._checked(value, self._line))
                self._expects = ","
            else:
                self._expects = self._after(text[start])
                position = start + 1
        self._line += text.count("\n", counted, start)
        self._text = text[start:]
        return rows

    def _after(self, character: str) -> str:
        following = _FOLLOWING.get((self._expects, character))
        if following is None:
            self._refuse(self._line, _EXPECTED.get(self._expects, "Must be an object with input and expected."))
        return following

    def _decode_if_whole(self, text: str, start: int, final: bool) -> tuple[Any, int] | None:
        try:
            return _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            # A row whose end has not come yet looks the same as one that is broken.
            if final or len(text) - start > MAX_ROW_CHARACTERS:
                return self._decode(text, start, self._line)
            return None

    def _decode(self, text: str, start: int, line: int) -> tuple[Any, int]:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            if len(text) - start > MAX_ROW_CHARACTERS:
                self._refuse_length(line)
            self._refuse(line + text.count("\n", start, error.pos), f"Is not JSON: {error.msg}.", error)
        except RecursionError as error:
            self._refuse(line, "Is nested too deeply.", error)
        except ValueError as error:
            self._refuse(line, f"Is not JSON: {str(error).partition(':')[0]}.", error)
        if end - start > MAX_ROW_CHARACTERS:
            self._refuse_length(line)
        return value, end

    def _checked(self, value: Any, line: int) -> Row:
        try:
            row = read_row(value, self._reading)
        except RowProblem as error:
            self._refuse(line, str(error), error)
        self.statistics.add(row)
        return row

    def _refuse_length(self, line: int) -> NoReturn:
        self._refuse(line, f"Is longer than {MAX_ROW_CHARACTERS} characters, or never ends.")

    def _refuse(self, line: int, problem: str, cause: Exception | None = None) -> NoReturn:
        raise Unprocessable.field(
            f"line {line}", f"Row {self.statistics.rows + 1}: {problem}{self._understood()}"
        ) from cause

    def _understood(self) -> str:
        """Return how the set was read, where a wrong guess may be what is wrong with it."""
        if self._reading.format is not None:
            return f" (Read as {self._reading.format}.)"
        if self.statistics.rows or self._expects != "lines":
            return ""
        return " (Read as JSON Lines; a table needs a name that ends in .csv or .tsv, or ?format=csv.)"


_FOLLOWING = {
    ("[", "["): "{]",
    (",", ","): "{",
    (",", "]"): "end",
    ("{]", "]"): "end",
}
"""What is expected in an array after which character."""

_EXPECTED = {
    "end": "Something follows the array.",
    ",": "A comma or the array's end is expected after the row.",
}


def _end_of_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
