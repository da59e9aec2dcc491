"""gunicorn's gevent worker, which gives no answer that nobody asked for."""

from __future__ import annotations

from typing import Any

from gevent import GreenletExit
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]


class Worker(GeventWorker):
    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that cannot be read; a connection that waits for one when the process ends just closes.

        gunicorn would write a 500 to it, which a client that sends a request at that moment takes for the answer.
        """
        if req is None and isinstance(exc, GreenletExit):
            return
        super().handle_error(req, client, addr, exc)
