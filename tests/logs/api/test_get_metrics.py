"""GET /metrics"""

from tests.logs.faults.load import read_metrics
from tests.support.waiting import wait_until


def test_it_works(logs, job, push, put, open_stream):
    # The streams of earlier tests are closed, which the service notices at its next write, a heartbeat at the latest.
    wait_until(lambda: not read_metrics(logs.url).get("tunedeck_streams_open"))
    before = read_metrics(logs.url)

    push(job, "one", "two")
    for _ in range(2):
        logs.post(f"/api/v1/jobs/{job}/logs", json={"message": "x"}, headers={"Idempotency-Key": "k"})
    streams = [open_stream(job).iter_content(None) for _ in range(4)]
    for stream in streams:
        next(stream)
    wait_until(lambda: read_metrics(logs.url)["tunedeck_streams_open"] == 4)  # a stream begins before it is counted
    now = read_metrics(logs.url)

    grown = {name: now[name] - before.get(name, 0) for name in now}
    assert grown["tunedeck_lines_stored_total"] == 3
    assert grown["tunedeck_commits_total"] == 2
    assert grown["tunedeck_batches_replayed_total"] == 1
    assert now["tunedeck_lines_missing_total"] == 0

    put(job, status="running")
    put(job, status="completed")
    for stream in streams:
        assert b"event: end\n" in b"".join(stream)
    wait_until(lambda: not read_metrics(logs.url)["tunedeck_streams_open"])
