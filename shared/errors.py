"""Errors that carry the HTTP status they become."""

from __future__ import annotations

from collections.abc import Mapping


class ServiceError(Exception):
    """An answer other than success.

    ``errors`` names the fields to blame (``{"limit": ["Must be …"]}``), ``retry_after`` is in seconds.
    """

    status = 500
    headers: Mapping[str, str] = {}
    usual_retry_after: int | None = None

    def __init__(
        self, message: str, *, errors: dict[str, list[str]] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors
        self.retry_after = self.usual_retry_after if retry_after is None else retry_after


class BadRequest(ServiceError):
    status = 400


class Unauthorized(ServiceError):
    """Who asks is not known."""

    status = 401
    headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(ServiceError):
    """Who asks is known, and may not."""

    status = 403


class NotFound(ServiceError):
    status = 404


class RequestTimeout(ServiceError):
    """The request took too long to come."""

    status = 408
    headers = {"Connection": "close"}


class Conflict(ServiceError):
    status = 409


class Gone(ServiceError):
    """It was there, and will not be again."""

    status = 410


class PreconditionFailed(ServiceError):
    """It is not what If-Match names, or is there although If-None-Match says that it must not be."""

    status = 412


class TooLarge(ServiceError):
    status = 413


class UnsupportedMediaType(ServiceError):
    status = 415


class Misdirected(ServiceError):
    """It was meant for another host."""

    status = 421


class Unprocessable(ServiceError):
    """A field or query value that is wrong; ``Unprocessable.field("limit", "Must be …")`` names it."""

    status = 422

    @classmethod
    def field(cls, name: str, problem: str) -> Unprocessable:
        return cls(f"{name}: {problem}", errors={name: [problem]})


class TooMany(ServiceError):
    status = 429
    usual_retry_after = 1


class Unavailable(ServiceError):
    """Something that this service needs does not answer, or this process is full; the same request may succeed later.

    The connection closes: a gateway that kept it would send the next request to this process too, however much room
    the others have.
    """

    status = 503
    headers = {"Connection": "close"}
    usual_retry_after = 1
