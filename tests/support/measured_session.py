"""For `make coverage`: measures pytest itself, and says which processes are measured with their greenlets.

CPython 3.11 may spin for ever where greenlets are measured and threads end: greenlet drops the state of such a thread
in a pending call, coverage's weak reference to the greenlet runs Python there, and at the start of a traced function
the interpreter tries again and again to make the pending calls that have come meanwhile, in vain as it is in one.
"""

from __future__ import annotations

import base64
import json
import os
import weakref
from typing import Any

from coverage import Coverage

_CONFIG = "COVERAGE_PROCESS_CONFIG"
_WITH_GREENLETS = "COVERAGE_PROCESS_CONFIG_WITH_GREENLETS"

NOT_MEASURED = {_CONFIG: ""}
"""The variables of a process that forks beside threads: the child waits for ever for coverage's lock, if one has it."""


class _Weak(weakref.WeakKeyDictionary[Any, Any]):
    """Forgets a key without a function of Python's, in which the interpreter would spin."""

    def __init__(self, *given: Any) -> None:
        super().__init__()
        self._remove = self.data.pop  # type: ignore[attr-defined]
        self.update(*given)


def pytest_configure() -> None:
    """Let what a worker of pytest starts be measured without greenlets, unless it is told otherwise."""
    weakref.WeakKeyDictionary = _Weak  # type: ignore[assignment, misc]  # coverage makes one for each thread
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ[_WITH_GREENLETS] = os.environ[_CONFIG]
        config = json.loads(base64.b64decode(os.environ[_CONFIG])) | {"concurrency": ["thread"]}
        os.environ[_CONFIG] = base64.b64encode(json.dumps(config).encode()).decode()


def with_greenlets() -> dict[str, str]:
    """Return the variables of a process that runs on gevent; none where nothing is measured."""
    return {_CONFIG: os.environ[_WITH_GREENLETS]} if _WITH_GREENLETS in os.environ else {}


def pytest_sessionfinish() -> None:
    """Save the figures: xdist's workers end without the handlers of an exit."""
    measured = Coverage.current()
    if measured is not None:
        measured.save()
