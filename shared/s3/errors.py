"""The object store's errors, translated into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError, ReadTimeoutError

from shared.errors import Conflict, NotFound, Unavailable

RETRY_AFTER_S = 5

_MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion"})


class ObjectMissing(NotFound):
    """There is no such object."""


class ObjectChanged(Conflict):
    """The object is no longer the one that was recorded."""


class StoreHangs(Unavailable):
    """The store took the request and did not answer in time: to try again at once would take as long."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise what minio-py raises during the block as ObjectMissing, ObjectChanged, StoreHangs or Unavailable."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise ObjectMissing(f"The stored object {error.object_name or ''} is missing.") from error
        if error.code == "PreconditionFailed":
            raise ObjectChanged("The stored object is not the one that was recorded.") from error
        raise Unavailable(f"The store refused: {error.code}.", retry_after=RETRY_AFTER_S) from error
    except ReadTimeoutError as error:
        raise StoreHangs("The store does not answer.", retry_after=RETRY_AFTER_S) from error
    except (InvalidResponseError, ServerError, HTTPError) as error:
        raise Unavailable("The store does not answer.", retry_after=RETRY_AFTER_S) from error
