"""gunicorn's settings, the same for each service: `gunicorn -c gunicorn.conf.py "services.logs.app:create_app()"`."""

import contextlib
import fcntl
import gc
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import gevent
from gunicorn.http.unreader import SocketUnreader

from shared.redaction import log_uncaught_failures
from shared.settings import Port, Positive, exit_on, load
from shared.telemetry.json_lines import log_json_lines

# Bytes of an upload that are read at once: with gunicorn's own 1 MiB, each smaller read copies the rest.
SocketUnreader.max_body_chunk = 256 * 1024

# A worker with MAX_STREAMS open streams must still answer /healthz.
_SPARE_CONNECTIONS = 200


@dataclass(frozen=True)
class _Settings:
    port: Port
    host: str = "127.0.0.1"
    web_concurrency: Positive = 2
    max_streams: int = 4000
    service: str = "service"


with exit_on():
    _settings = load(_Settings)

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
worker_class = "shared.http.worker.Worker"
worker_connections = _settings.max_streams + _SPARE_CONNECTIONS
backlog = 4096
timeout = 60
# Below the supervisor's STOP_WITHIN_S: a worker with an idle keep-alive connection takes all of it to exit.
graceful_timeout = 5
keepalive = 75
limit_request_line = 8190
control_socket_disable = True
accesslog = None
loglevel = "warning"


_TEMPORARY = "tunedeck-metrics-"
# In memory where there is such a folder: the counts are mapped files, and a write to one on a full disk is a SIGBUS.
_FOLDER = os.environ.get("TMPDIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())


def on_starting(server):  # type: ignore[no-untyped-def]
    """Log JSON lines, and make the folder in which the workers count.

    prometheus_client looks for that when a worker imports it. A folder that the environment names is kept, and emptied
    of what an earlier run counted.
    """
    # Not by `logconfig_dict`: with that gunicorn makes the fields of an access log for each request, a tenth of a push.
    log_json_lines(_settings.service)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        folder.mkdir(parents=True, exist_ok=True)
        for counts in folder.glob("*.db"):
            counts.unlink()
        return
    _remove_leftovers()
    server.metrics_dir = tempfile.mkdtemp(prefix=_TEMPORARY, dir=_FOLDER)
    # Locked by the master and, as they inherit it, by its workers: until the last of them is gone it is no leftover.
    server.metrics_lock = os.open(server.metrics_dir, os.O_RDONLY)
    fcntl.flock(server.metrics_lock, fcntl.LOCK_SH)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.metrics_dir


def on_reload(server):  # type: ignore[no-untyped-def]
    """Log as before: gunicorn has set its own handlers anew."""
    log_json_lines(_settings.service)


def on_exit(server):  # type: ignore[no-untyped-def]
    _remove_temporary(server)


def worker_exit(server, worker):  # type: ignore[no-untyped-def]
    """Remove the folder in the master's place where that was killed."""
    if os.getppid() != worker.ppid:
        _remove_temporary(server)


def _remove_temporary(server):  # type: ignore[no-untyped-def]
    if hasattr(server, "metrics_dir"):
        shutil.rmtree(server.metrics_dir, ignore_errors=True)


def _remove_leftovers():  # type: ignore[no-untyped-def]
    """Remove what masters left that were killed together with their workers."""
    for folder in Path(_FOLDER).glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone already
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # One that was made just now is about to be locked.
                if time.time() - os.fstat(lock).st_mtime > 10:
                    shutil.rmtree(folder)
            finally:
                os.close(lock)


def child_exit(server, worker):  # type: ignore[no-untyped-def]
    """Drop the gauges of a worker that is gone: its streams are no longer open."""
    from prometheus_client import multiprocess  # noqa: PLC0415  # not before there is a folder

    multiprocess.mark_process_dead(worker.pid)


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Show the app its worker: streams end once it is not `alive`, or they would take the whole graceful timeout."""
    worker.wsgi.config["WORKER"] = worker
    worker.log.error_log.addFilter(_is_no_timeout)
    log_uncaught_failures(gevent.get_hub())
    # What is imported by now stays: a full collection has less to walk, in which nothing else runs.
    gc.collect()
    gc.freeze()


def post_request(worker, req, environ, resp):  # type: ignore[no-untyped-def]
    """Have the app tell of a request that has ended, well or not."""
    ended = environ.get("tunedeck.ended")
    if ended is not None and resp is not None:
        ended(resp.sent)


def _is_no_timeout(record):  # type: ignore[no-untyped-def]
    """Filter out the traceback of a client that read nothing until its socket timed out."""
    return not (record.exc_info and isinstance(record.exc_info[1], TimeoutError))
