"""Idempotency keys of requests that create a row: the row's columns request_key (unique) and request_digest."""

from __future__ import annotations

from typing import Any

from peewee import IntegrityError

from shared.errors import Conflict, Unprocessable
from shared.request_key import RequestKey


def find_created(table: Any, sent: RequestKey | None) -> Any:
    """Return the row that a request with this key created, or None; Unprocessable where that one sent other things."""
    row = None if sent is None else table.get_or_none(table.request_key == sent.key)
    if row is not None and sent is not None and row.request_digest != sent.digest:
        raise Unprocessable.field("Idempotency-Key", "Was used for another body.")
    return row


def create_once(table: Any, sent: RequestKey | None, **values: Any) -> tuple[Any, bool]:
    """Create a row in a transaction, and say whether it was there: of requests with one key the first creates it.

    Raises Conflict where a row has another of its unique values.
    """
    found = find_created(table, sent)
    if found is not None:
        return found, True
    key, digest = sent or (None, None)
    try:
        with table._meta.database.atomic():
            return table.create(request_key=key, request_digest=digest, **values), False
    except IntegrityError as error:
        found = find_created(table, sent)  # another one was faster
        if found is None and "unique" not in str(error).lower():
            raise
        if found is None:
            raise Conflict("Another one has the same name by now.") from error
        return found, True
