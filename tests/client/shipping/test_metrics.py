"""Metrics beside lines in one spool: the same promises."""

import math
import os
import re
import signal

import pytest
from tunedeck_client import JobLogHandler

from tests.support.measured_session import NOT_MEASURED
from tests.support.waiting import wait_until


def test_it_works(service, make_log):
    log, handler = make_log(service.url)
    log.info("step 10")
    handler.log_metrics({"loss": 0.45, "lr": 1e-4}, step=10, epoch=0.5)
    assert handler.flush() is True
    assert service.points == {("loss", 10): 0.45, ("lr", 10): 1e-4, ("epoch", 10): 0.5}
    assert service.messages == ["step 10"]


def test_the_service_shows_them(logs, new_job, tmp_path):
    """Against the real service: its own reading of what is sent."""
    job = new_job()
    handler = JobLogHandler(job, url=logs.url, spool_dir=tmp_path)
    handler.log_metrics({"loss": 0.5}, step=1)
    handler.log_metrics({"loss": math.nan, "grad_norm": math.inf}, step=2)
    assert handler.flush() is True
    handler.close()
    answer = logs.get(f"/api/v1/jobs/{job}/metrics").json()
    curves = {curve["name"]: [point[:2] for point in curve["points"]] for curve in answer["series"]}
    assert answer["source"] == "reported"
    assert curves == {"loss": [[1, 0.5], [2, "NaN"]], "grad_norm": [[2, "Infinity"]]}


def test_not_a_number_and_the_infinities_are_kept(service, make_log):
    _, handler = make_log(service.url)
    handler.log_metrics({"a": math.nan, "b": math.inf, "c": -math.inf}, step=1)
    assert handler.flush() is True
    assert service.points == {("a", 1): "NaN", ("b", 1): "Infinity", ("c", 1): "-Infinity"}


class Scalar:
    """As NumPy's and torch's."""

    def __float__(self):
        return 2.5


class Tensor:
    def __float__(self):
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")


def test_what_is_no_number_is_left_out(service, make_log):
    _, handler = make_log(service.url)
    values = {"loss": Scalar(), "quoted": "0.45", "text": "n/a", "none": None, "tensor": Tensor(), "": 1}
    handler.log_metrics(values | {"huge": 10**400, "x" * 300: 1, "nul\0\ud800": 2}, step=3)
    handler.log_metrics({}, step=4)
    handler.log_metrics({"text": "n/a"}, step=5)
    assert handler.flush() is True
    cleaned = {("x" * 255, 3): 1, ("nul\ufffd\ufffd", 3): 2}
    assert service.points == {("loss", 3): 2.5, ("quoted", 3): 0.45} | cleaned


def test_without_a_step_it_counts(service, make_log):
    _, handler = make_log(service.url)
    for step, value in ((None, 1), (None, 2), (10, 3), (None, 4), (-5, 5), (2**80, 6)):
        handler.log_metrics({"x": value}, step)
    assert handler.flush() is True
    assert service.points == {("x", 0): 5, ("x", 1): 2, ("x", 10): 3, ("x", 11): 4, ("x", 2**63 - 1): 6}


def test_many_values_a_step_go_in_requests_that_the_service_takes(service, make_log):
    _, handler = make_log(service.url)
    values = {f"layer.{number}": number for number in range(25_000)}
    handler.log_metrics(values, step=1)
    assert handler.flush() is True
    assert service.points == {(name, 1): value for name, value in values.items()}


def test_a_refused_point_is_dropped_alone_and_holds_up_nothing(service, make_log):
    service.refuse_point = lambda point: 422 if point["step"] == 70 else None
    log, handler = make_log(service.url)
    for step in range(100):
        handler.log_metrics({"loss": step}, step)
    log.info("after them")
    handler.flush()
    assert service.wait_for(lambda s: len(s.messages) == 2)
    assert sorted(step for _, step in service.points) == [step for step in range(100) if step != 70]
    assert "after them" in service.messages
    (report,) = (message for message in service.messages if "lost" in message)
    assert "1 metric point lost" in report
    assert "422" in report
    assert handler.lost == 1


@pytest.mark.parametrize("status", [404, 500, 503, 401])
def test_metrics_that_the_service_does_not_take_hold_up_no_line(service, make_log, status):
    service.metrics_always = status
    log, handler = make_log(service.url)
    for number in range(50):
        handler.log_metrics({"loss": number}, number)
        log.info("%d", number)
    assert service.wait_for(lambda s: s.messages == [str(number) for number in range(50)])
    assert service.wait_for(lambda s: s.posts_of_points)
    assert handler.flush(0.1) is False
    service.metrics_always = None
    assert handler.flush() is True
    assert service.points == {("loss", number): number for number in range(50)}


def test_a_service_that_knows_no_metrics_is_told_of_once(service, make_log):
    service.metrics_always = 404
    log, handler = make_log(service.url, patience=0.1)
    handler.log_metrics({"loss": 1}, 1)
    assert service.wait_for(lambda s: len(s.posts_of_points) > 1)
    log.info("a line")
    handler.flush()
    assert service.wait_for(lambda s: any("1 metric point lost" in message for message in s.messages))


KILLED = """
for step in range(2500):
    handler.log_metrics({"loss": step}, step)
log.info("between")
handler.log_metrics({"loss": -1}, 0)
wait_for_disk(2502)
os.kill(os.getpid(), 9)
"""


def test_points_of_a_killed_process_are_sent_by_the_next_in_order(service, run_python, make_log, tmp_path):
    done = run_python(KILLED, "http://127.0.0.1:1", check=False)
    assert done.returncode == -signal.SIGKILL
    _, handler = make_log(service.url)
    handler.log_metrics({"loss": "7"}, 1)
    assert handler.flush() is True
    assert service.points == {("loss", step): step for step in range(2_500)} | {("loss", 0): -1, ("loss", 1): 7}
    assert service.messages == ["between"]
    handler.close()
    assert list((tmp_path / "spool" / "job-7").iterdir()) == []


def test_what_waits_is_counted_by_kind(run_python):
    program = 'log.info("x")\nhandler.log_metrics({"a": 1}, 1)\nhandler.log_metrics({"a": 1}, 2)\n'
    program += "handler._shipper._exit_timeout = 0.1\n"
    assert "1 line, 2 metric points not sent yet, kept in" in run_python(program, "http://127.0.0.1:1").stderr


def test_a_full_spool_drops_the_oldest_and_says_so(free_port, start_service, make_log, tmp_path):
    _, handler = make_log(f"http://127.0.0.1:{free_port}", max_spool_bytes=50_000)
    for step in range(3_000):
        handler.log_metrics({"loss": step}, step)
    wait_until(lambda: any('"step": 2999,' in file.read_text() for file in newest(tmp_path / "spool")))
    assert handler.flush(0.1) is False
    service = start_service(free_port)
    assert service.wait_for(lambda s: ("loss", 2_999) in s.points)
    kept = sorted(step for _, step in service.points)
    assert kept == list(range(kept[0], 3_000))
    assert service.wait_for(lambda s: sum(map(reported, s.messages)) == kept[0])
    assert "no room was left" in service.messages[0]


def newest(spool):
    """The file that is written to, of which room is never made."""
    return sorted(spool.glob("job-7/*/*.ndjson"))[-1:]


def reported(message):
    return int(re.search(r"(\d+) metric points lost", message)[1])


def test_where_the_disk_fails_they_wait_in_memory(free_port, start_service, make_log, tmp_path):
    (tmp_path / "file").write_text("")
    _, handler = make_log(f"http://127.0.0.1:{free_port}", spool_dir=tmp_path / "file" / "below")
    handler.log_metrics({"loss": 1}, 1)
    assert handler.flush(0.3) is False
    service = start_service(free_port)
    assert handler.flush() is True
    assert service.points == {("loss", 1): 1}


def test_a_record_that_a_kill_tore_is_left_out(service, run_python, make_log, tmp_path):
    run_python(KILLED, "http://127.0.0.1:1", check=False)
    newest = max((tmp_path / "spool").glob("job-7/*/*.metrics.ndjson"))
    os.truncate(newest, newest.stat().st_size - 3)
    _, handler = make_log(service.url)
    handler.flush()
    assert service.wait_for(lambda s: any("1 metric point lost" in message for message in s.messages))
    assert service.wait_for(lambda s: len(s.points) == 2_500)
    assert service.points["loss", 0] == 0


def test_forked_workers_report_as_well(service, run_python):
    program = """
handler.log_metrics({"parent": 1}, 1)
child = os.fork()
if child == 0:
    handler.log_metrics({"child": 1}, 1)
    assert handler.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert handler.flush()
"""
    run_python(program, service.url, environ=NOT_MEASURED)
    wait_until(lambda: service.points == {("parent", 1): 1, ("child", 1): 1})
