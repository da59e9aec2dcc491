"""A request's body, read once and within its limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

import gevent
import marshmallow as ma
from flask import request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from webargs.flaskparser import FlaskParser

from shared.errors import BadRequest, RequestTimeout, TooLarge, Unprocessable, UnsupportedMediaType
from shared.http.fields import unprocessable

BODY_READ = "tunedeck.body_read"
"""In the WSGI environment of a request whose body was read to its end."""

_PIECE_BYTES = 2**20

TIMEOUT_S = 120.0
"""For all of a body, which is 8 MiB at most: who takes longer holds a greenlet for nothing."""


class StrictParser(FlaskParser):
    """Reads JSON bodies as their schema decodes them, and answers in the one error shape."""

    # What becomes of unknown parameters is each schema's to say.
    DEFAULT_UNKNOWN_BY_LOCATION: ClassVar[dict[str, str | None]] = {
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": None,
    }

    def load_querystring(self, req: Any, schema: Any) -> Any:
        """Refuse a parameter that comes twice and has one value: which of the two is meant nobody can tell."""
        names = {field.data_key or name: field for name, field in schema.fields.items()}
        for name, values in req.args.lists():
            if len(values) > 1 and name in names and not isinstance(names[name], ma.fields.List):
                raise Unprocessable.field(name, "Must not come more than once.")
        return super().load_querystring(req, schema)

    def load_json(self, req: Any, schema: Any) -> Any:
        if (
            schema.optional
            and not request.content_length
            and "chunked" not in request.headers.get("Transfer-Encoding", "")
        ):
            return {}
        require_json()
        return schema.decode(read_body(schema.body_limit))

    def handle_error(self, error: ma.ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        by_location: Any = error.messages
        raise unprocessable(next(iter(by_location.values()))) from error


def require_json() -> None:
    """Raise UnsupportedMediaType where the body is said to be anything but JSON."""
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON, sent as Content-Type: application/json.")


def read_body(limit: int) -> bytes:
    """Return the request's body; TooLarge at once by its declared length, else at the first byte above ``limit``."""
    return b"".join(_read_pieces(limit))


def read_lines(limit: int, longest: int) -> Iterator[bytes]:
    """Yield the lines of the request's body as they come, without their ends; errors as ``read_body`` has them.

    TooLarge as well where a line has more than ``longest`` bytes.
    """
    rest = b""
    for piece in _read_pieces(limit):
        *lines, rest = (rest + piece).split(b"\n")
        if max(map(len, (*lines, rest))) > longest:
            raise TooLarge(f"A line of the body is longer than {longest} bytes.")
        yield from lines
    if rest:
        yield rest


def _read_pieces(limit: int) -> Iterator[bytes]:
    declared = request.content_length
    if (declared or 0) > limit:
        raise _too_large(limit)
    came, ends = 0, time.monotonic() + TIMEOUT_S
    try:
        while came != declared and (piece := _read_piece(min(limit + 1 - came, _PIECE_BYTES), ends)):
            came += len(piece)
            if came > limit:
                raise _too_large(limit)
            yield piece
    except (OSError, ParseException) as error:  # gunicorn's, for a body that breaks off or is badly chunked
        raise BadRequest(f"The body could not be read: {error}.") from error
    request.environ[BODY_READ] = True
    # gunicorn gives what came of a body whose sender hung up, as if it were all.
    if declared not in (None, came):
        raise BadRequest(f"The body broke off after {came} of {declared} bytes.")


def _read_piece(size: int, ends: float) -> bytes:
    with gevent.Timeout(ends - time.monotonic(), _Late):  # not around the caller, who does other things between two
        return request.stream.read(size)


class _Late(RequestTimeout):
    """Made only where it is raised: most bodies are there at once."""

    def __init__(self) -> None:
        super().__init__(f"The body did not come within {TIMEOUT_S:g} s.")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")
