"""`python -m examples.kernel`: runs the kernel until SIGTERM or SIGINT."""

import logging
import os
import signal
import sys
import threading
from functools import partial

from examples.kernel import data
from examples.kernel.api import Api
from examples.kernel.job_runner import JobRunner
from examples.kernel.model import fit_base
from examples.kernel.published_models import fetch
from examples.kernel.served_models import ServedModels
from examples.kernel.server import ChatServer
from examples.kernel.settings import Settings

LOG = logging.getLogger("examples.kernel")

STOP_TIMEOUT = 2.0  # s after a signal in which the running job is marked as failed


def main() -> int:
    """Return the exit code: 0 after a signal, 1 if the thread that runs the jobs died of a bug."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_environ(os.environ)
    except ValueError as error:
        sys.exit(f"error: {error}")

    base = fit_base(data.general())
    api = Api(settings.logs_url, settings.api_url, settings.token)
    served_models = ServedModels(settings.folder / "models", base, partial(fetch, api))
    server = ChatServer(settings.host, settings.port, served_models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    LOG.info("Kernel %r serves %d models on port %d", settings.name, len(served_models.names()), settings.port)

    # A daemon thread: a call to a service that hangs must not keep the process from ending.
    runner = threading.Thread(target=JobRunner(settings, api, base, served_models, stop).run, daemon=True)
    runner.start()
    while runner.is_alive() and not stop.is_set():
        runner.join(0.2)
    if not stop.is_set():
        return 1
    runner.join(STOP_TIMEOUT)
    if runner.is_alive():
        # A service hangs, and the exit handlers would wait for it too. Unsent lines are in the spool.
        os._exit(0)
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
