"""What goes wrong between a client and the service, in sentences for whoever typed the command."""

from __future__ import annotations

import contextlib
from typing import Iterator


class TunedeckError(Exception):
    """The base of all of them; its text is one line."""


class Unreachable(TunedeckError):
    """Nothing answers at the address, or something that is not Tunedeck."""


class BadFolder(TunedeckError):
    """A folder or file of this machine cannot become, or take, what was asked for."""


@contextlib.contextmanager
def blaming(path: str) -> Iterator[None]:
    """Raise BadFolder, which names the path, for an OSError of the block."""
    try:
        yield
    except OSError as error:
        raise BadFolder(f"{path}: {error.strerror}") from error


class Refused(TunedeckError):
    """The service's refusal: the HTTP `status`, and the `request_id` that names it in the service's log."""

    def __init__(
        self, status: int, message: str, *, request_id: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        name = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.message} [{self.status}]{name}"


class Unauthorized(Refused):
    """401: a token is missing, or is not one that the service knows."""


class Forbidden(Refused):
    """403: the token does not allow this."""


class NotFound(Refused):
    """404."""


class Conflict(Refused):
    """409: the record's present status does not allow this."""


class Invalid(Refused):
    """422: a field or parameter is wrong, which the message names."""


class Busy(Refused):
    """429 or 503: the same request may succeed later."""


_OF_STATUS = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Invalid,
    429: Busy,
    503: Busy,
}


def refused(
    status: int, message: str, *, request_id: str | None = None, retry_after: float | None = None
) -> Refused:
    """Return the error of a status."""
    text = " ".join(message.split())[:1000]
    return _OF_STATUS.get(status, Refused)(status, text, request_id=request_id, retry_after=retry_after)
