"""Decodes a test set's bytes, in UTF-8 or, where a byte order mark or the first bytes say so, in UTF-16; pure.

What the first bytes say to be no text is refused.
"""

from __future__ import annotations

import codecs

from services.evaluations.datasets.other_formats import format_problem
from shared.errors import Unprocessable


class TextDecoder:
    """Takes bytes in pieces; ``encoding`` is known after the first four of them."""

    def __init__(self) -> None:
        self.encoding = "UTF-8"
        self._held = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, piece: bytes, *, final: bool) -> str:
        """Return the text that is complete by then; raises Unprocessable or UnicodeDecodeError."""
        if self._decoder is None:
            self._held += piece
            if len(self._held) < 4 and not final:
                return ""
            if (problem := format_problem(self._held)) is not None:
                raise Unprocessable.field("body", problem)
            name, self.encoding = _guess(self._held)
            self._decoder = codecs.getincrementaldecoder(name)()
            piece, self._held = self._held, b""
        return self._decoder.decode(piece, final)


def _guess(start: bytes) -> tuple[str, str]:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "UTF-16"
    # The first character of JSON, and of nearly every table, is ASCII (RFC 4627, 3).
    if len(start) >= 4 and start[1] == start[3] == 0 and start[0]:
        return "utf-16-le", "UTF-16"
    if len(start) >= 4 and start[0] == start[2] == 0 and start[1]:
        return "utf-16-be", "UTF-16"
    return "utf-8-sig", "UTF-8"
