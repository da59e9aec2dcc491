"""Starts the kernel, and stops it on SIGTERM or SIGINT: `python -m examples.kernel`."""

import logging
import os
import signal
import sys
import threading

from examples.kernel import data
from examples.kernel.api import Api
from examples.kernel.model import fit_base
from examples.kernel.server import InferenceServer
from examples.kernel.settings import Settings
from examples.kernel.shelf import Shelf
from examples.kernel.worker import Worker

LOG = logging.getLogger("examples.kernel")

LAST_WORDS = 2.0  # seconds that a job in work has to be ended after a signal


def main() -> int:
    """The exit code: 0 after a signal, 1 if the worker died of a bug."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings.from_environ(os.environ)

    base = fit_base(data.general())
    shelf = Shelf(settings.folder / "models", base)
    server = InferenceServer(settings.host, settings.port, shelf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    LOG.info("Kernel %r serves %d models on port %d", settings.name, len(shelf.names()), settings.port)

    api = Api(settings.logs_url, settings.api_url, settings.token)
    # A daemon, because a call to a service that hangs must not keep the process from ending.
    worker = threading.Thread(target=Worker(settings, api, base, shelf, stop).run, daemon=True)
    worker.start()
    while worker.is_alive() and not stop.is_set():
        worker.join(0.2)
    if not stop.is_set():
        return 1
    worker.join(LAST_WORDS)
    if worker.is_alive():
        # A service hangs, and waiting for it would go on in the exit handlers. Unsent lines are in the spool.
        os._exit(0)
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
