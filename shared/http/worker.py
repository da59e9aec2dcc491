"""gunicorn's gevent worker: it ends where a setting is wrong, and gives no answer that nobody asked for."""

from __future__ import annotations

import sys
from typing import Any

from gevent import GreenletExit
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from shared.settings import SettingsError


class Worker(GeventWorker):
    def load_wsgi(self) -> None:
        """Make the app; a missing or wrong setting is one line of the log, by which the master ends, too."""
        try:
            super().load_wsgi()
        except SettingsError as error:
            self.log.error("error: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be read; a connection that waits for one when the process ends just closes.

        gunicorn would write a 500 to it, which a client that sends a request at that moment takes for the answer.
        """
        if req is None and isinstance(exc, GreenletExit):
            return
        super().handle_error(req, client, addr, exc)
