"""Cooperative yields for what would keep a gevent worker busy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import gevent

Item = TypeVar("Item")

ITEMS_A_TURN = 500
"""Some four milliseconds of planning an archive."""

_AT_ONCE_S = 1e-9
"""Of `sleep(0)` gevent runs fifty in a row before it looks at a socket; a timer, however short, lets it look."""


def yield_turn() -> None:
    """Yield to every greenlet that can run, with sockets polled."""
    gevent.sleep(_AT_ONCE_S)


def yielding(items: Iterable[Item], a_turn: int = ITEMS_A_TURN) -> Iterator[Item]:
    """Yield the items, with a turn for others after each ``a_turn`` of them."""
    for number, item in enumerate(items, start=1):
        if number % a_turn == 0:
            yield_turn()
        yield item
