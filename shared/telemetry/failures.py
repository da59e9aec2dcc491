"""Failures of what must go on, a sweep or a refresh: logged, and outlived."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import ServiceError


@contextmanager
def failures_logged(log: logging.Logger, what: str, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Log what fails in a block, with its frames where nobody foresaw it, call ``then``, and go on."""
    try:
        yield
    except ServiceError as error:
        log.warning("%s: %s", what, error.message)
        then()
    except Exception:
        log.exception(what)
        then()
