"""gunicorn's gevent worker: fair to its connections, it gives no answer that nobody asked for."""

from __future__ import annotations

import sys
import time
from typing import Any

from gevent import GreenletExit
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from shared.pacing import yield_turn
from shared.settings import SettingsError

_TURN_S = 0.002
"""A yield takes as long as a fifth of the smallest request."""


class Worker(GeventWorker):
    _turn_began = 0.0

    def load_wsgi(self) -> None:
        """Make the app; a missing or wrong setting is one line of the log, by which the master ends, too."""
        try:
            super().load_wsgi()
        except SettingsError as error:
            self.log.error("error: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def timeout_ctx(self) -> Any:
        """Let the other connections have a turn before a request.

        One whose client asks again at once has its next request there by now, and would be answered for as long as it
        asks: with eight of those all others waited for seconds.
        """
        if time.monotonic() - self._turn_began > _TURN_S:
            yield_turn()
            self._turn_began = time.monotonic()
        return super().timeout_ctx()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be read; a connection that waits for one when the process ends just closes.

        gunicorn would write a 500 to it, which a client that sends a request at that moment takes for the answer.
        """
        if req is None and isinstance(exc, GreenletExit):
            return
        super().handle_error(req, client, addr, exc)
