"""The stream through our Caddyfile: nothing is held back, and a restart behind it shows nobody a 502. Scenario 23."""

import os
import signal
import time

import pytest

from run import parts
from run.settings import free_port
from tests.logs.faults.load import Load, create_job, open_raw, push_one_by_one, read_until
from tests.support.databases import on
from tests.support.waiting import wait_until

pytestmark = on("sqlite")


@pytest.fixture
def gateway(start, service, tmp_path):
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    environ = dict.fromkeys(("MODELS_UPSTREAM", "EVALUATIONS_UPSTREAM", "S3_UPSTREAM"), nobody)
    environ["LOGS_UPSTREAM"] = service.url.removeprefix("http://")
    running = start(parts.caddy(os.environ.get("CADDY_BIN"), tmp_path, ["127.0.0.1"], port, environ, ()))
    yield f"http://127.0.0.1:{port}"
    running.kill()


@pytest.mark.parametrize("encoding", ["identity", "gzip, br, zstd"])
def test_each_line_comes_as_it_is_written(gateway, service, encoding):
    job = create_job(gateway)
    raw = open_raw(gateway, f"/api/v1/jobs/{job}/logs", f"Accept-Encoding: {encoding}")
    head = read_until(raw, b"retry: 3000\n:\n")  # which comes before any line
    assert b"content-encoding" not in head.lower()

    push_one_by_one(service.url, job, raw, 10)
    raw.close()


def test_a_restart_behind_it_is_no_error(gateway, service, seed):
    """Kernels push to the service itself; who watches through the gateway only ever sees 200 and 204."""
    run = Load(service.url, seed, writers=3, readers=8)
    for reader in run.readers:
        reader.url = gateway
    run.wait_for(100)
    # By what was answered: a connection that is waiting for its answer gets it from what is started next.
    wait_until(lambda: all(reader.statuses for reader in run.readers))
    service.kill()
    time.sleep(0.5)  # the gateway waits for it
    service.start()
    run.wait_for(100)
    wait_until(lambda: all(len(reader.statuses) > 1 for reader in run.readers))
    service.signal(signal.SIGTERM)
    wait_until(lambda: not service.is_alive())
    service.start()
    run.wait_for(100)
    wait_until(lambda: all(len(reader.statuses) > 2 for reader in run.readers))

    run.finish(end=True)
    assert {status for reader in run.readers for status in reader.statuses} <= {200, 204}
