"""The handler and a service in good health."""

import json
import logging
import logging.config
import re
import socket
import threading
import time
import weakref

import pytest
from tunedeck_client import JobLogHandler, __version__
from tunedeck_client.handler import CLOSE_TIMEOUT
from tunedeck_client.shipping.batch import Batch
from tunedeck_client.shipping.log_shipper import LogShipper

from tests.support.waiting import wait_until


@pytest.fixture
def long_linger(monkeypatch):
    """Without a flush, an error or a full batch a line that follows another stays in the spool."""
    monkeypatch.setattr("tunedeck_client.shipping.sender.LINGER", 600)


def test_it_works(service, make_log):
    log, handler = make_log(service.url, source="trainer", token="secret")
    before = time.time()
    log.warning("loss is %s", float("nan"))
    assert handler.flush() is True
    (line,) = service.lines
    assert set(line) == {"level", "message", "source", "timestamp"}
    assert (line["level"], line["message"], line["source"]) == ("warn", "loss is nan", "trainer")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["timestamp"])
    assert line["timestamp"][:10] == time.strftime("%Y-%m-%d", time.gmtime(before))
    assert service.headers[0]["Authorization"] == "Bearer secret"
    assert service.headers[0]["Content-Encoding"] == "gzip"
    assert service.headers[0]["User-Agent"] == f"tunedeck-client/{__version__}"


def test_it_sends_a_lone_line_without_a_flush(service, make_log):
    log, _ = make_log(service.url)
    log.info("alone")
    assert service.wait_for(lambda s: s.lines)


def test_it_gathers_lines_and_keeps_their_order(service, make_log, long_linger):
    log, handler = make_log(service.url)
    for number in range(3_500):
        log.info("%d", number)
    assert handler.flush()
    assert service.messages == [str(number) for number in range(3_500)]
    assert len(service.requests) <= 12, "of 500 lines each at least, but for the first and the last"
    assert max(body.count(b"\n") for _, body, _, _ in service.requests) <= 1_000
    assert [line["timestamp"] for line in service.lines] == sorted(line["timestamp"] for line in service.lines)


def test_lines_that_follow_another_linger(service, log_in_one_batch, long_linger):
    handler = log_in_one_batch(range(30))
    time.sleep(0.2)  # they would go out in it
    assert len(service.requests) == 1
    assert handler.flush()
    assert len(service.requests) == 2


def test_a_request_holds_about_one_mebibyte(service, make_log):
    log, handler = make_log(service.url)
    for _ in range(50):
        log.info("x" * 100_000)
    assert handler.flush()
    assert max(len(body) for _, body, _, _ in service.requests) <= 1024 * 1024
    assert len(service.lines) == 50


def test_a_time_is_that_of_the_record(service, make_log):
    service.plan = [503, 503]
    log, handler = make_log(service.url, backoff=0.1)
    before = time.time()
    log.info("early")
    after = time.time()
    assert handler.flush()
    seconds = float("0." + service.lines[0]["timestamp"].split(".")[1].rstrip("Z"))
    assert before - 0.01 <= int(before) + seconds <= after + 0.01 or before // 1 != after // 1


def test_a_traceback_belongs_to_its_line(service, make_log):
    log, handler = make_log(service.url)
    try:
        raise RuntimeError("out of memory")
    except RuntimeError:
        log.exception("epoch failed")
    assert handler.flush()
    (message,) = service.messages
    assert message.startswith("epoch failed\nTraceback (most recent call last):\n")
    assert message.endswith("RuntimeError: out of memory")


def test_hard_text_arrives(service, make_log):
    log, handler = make_log(service.url)
    for message in ("a\0b", "\ud800", "", "\r\n id: 9\r", "\u2028é\U0001f600", "x" * 600_000):
        log.info("%s", message)
    assert handler.flush()
    assert service.messages[:5] == ["a\ufffdb", "\ufffd", "", "\r\n id: 9\r", "\u2028é\U0001f600"]
    assert "".join(part[6:] for part in service.messages[5:]) == "x" * 600_000
    assert {status for _, _, status, _ in service.requests} == {201}


def test_no_exception_leaves_emit(service, make_log, capsys):
    log, handler = make_log(service.url)

    class Bad:
        def __str__(self):
            raise RuntimeError("no text")

    log.info("%d lines", "three")
    log.info("%s", Bad())
    record = logging.LogRecord("x", 20, __file__, 1, "bad time", (), None)
    record.created = float("inf")
    handler.emit(record)
    log.info("good")
    assert handler.flush()
    assert service.messages == ["bad time", "good"]
    assert capsys.readouterr().err.count("--- Logging error ---") == 2


def test_trouble_makes_no_log_records_of_its_own(service, make_log):
    service.plan = ["reset", 503, "lose"]
    log, handler = make_log(service.url)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        log.info("once")
        assert handler.flush()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert service.messages == ["once"]


def test_who_logs_neither_connects_nor_writes(free_port, make_log, monkeypatch):
    """What a log call costs beside a dead service is measured by `bench.run`."""
    connects, writes = set(), set()

    def noted(call, threads):
        def call_and_note(*arguments, **options):
            threads.add(threading.current_thread().name)
            return call(*arguments, **options)

        return call_and_note

    monkeypatch.setattr(socket, "create_connection", noted(socket.create_connection, connects))
    monkeypatch.setattr(Batch, "append", noted(Batch.append, writes))
    log, _ = make_log(f"http://127.0.0.1:{free_port}")
    for number in range(5_000):
        log.info("step %d", number)
    wait_until(lambda: connects)
    assert (connects, writes) == ({"tunedeck-sender"}, {"tunedeck-writer"})


def test_emit_is_quick_though_the_service_hangs(service, make_log):
    service.always = "hang"
    log, _ = make_log(service.url, timeout=600)
    log.info("first")
    assert service.wait_for(lambda s: s.requests)
    for _ in range(1_000):
        log.info("next")
    assert len(service.requests) == 1, "all lines were taken before the first request ran into its timeout"


def test_a_flood_beyond_the_queue_loses_nothing(service, make_log):
    log, handler = make_log(service.url, max_queue_bytes=20_000)
    for number in range(3_000):
        log.info("%d", number)
    assert handler.flush()
    assert service.messages == [str(number) for number in range(3_000)]


def test_a_disk_that_hangs_costs_lines_and_does_not_block(service, make_log):
    log, handler = make_log(service.url, max_queue_bytes=20_000)
    with handler._shipper._pipeline.spool.changed:  # as long as this is held, nothing gets into the spool
        for number in range(1_000):
            log.info("%d", number)
    assert handler.flush() is False
    (told,) = (message for message in service.messages if "lost" in message)
    lost = int(re.search(r": (\d+) lines lost, from \S+Z to \S+Z: they came faster", told).group(1))
    assert lost + len(service.messages) - 1 == 1_000
    assert handler.lost == lost


def test_flush_says_whether_all_is_stored(service, make_log):
    service.always = 503
    log, handler = make_log(service.url)
    assert handler.flush() is True
    log.info("late")
    assert handler.flush(0.2) is False
    service.always = None
    assert handler.flush() is True
    assert service.messages == ["late"]


def test_close_sends_what_there_is_and_ends_quietly(service, make_log):
    log, handler = make_log(service.url, exit_timeout=5.0)
    log.info("last")
    handler.close()
    assert service.messages == ["last"]
    log.info("too late")
    assert handler.flush(0.1) is True
    handler.close()


@pytest.mark.parametrize("job_id", [0, -1, True, "7", 1.0, None])
def test_it_rejects_a_job_that_cannot_be(job_id, tmp_path):
    with pytest.raises(ValueError, match="job_id"):
        JobLogHandler(job_id, url="http://127.0.0.1:1", spool_dir=tmp_path)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8001", "ftp://x", "http://", "http://me:pw@x", "http://x?a=1"])
def test_it_rejects_a_url_that_cannot_be(url, tmp_path):
    with pytest.raises(ValueError, match="url"):
        JobLogHandler(7, url=url, spool_dir=tmp_path)


def test_a_url_may_end_in_the_apis_path(service, make_log):
    log, handler = make_log(f"{service.url}/api/v1/")
    log.info("once")
    assert handler.flush() is True
    assert service.messages == ["once"]


def test_the_folder_without_spool_dir_is_the_users(service, make_log, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    log, _ = make_log(service.url, spool_dir=None)
    service.always = 503
    log.info("kept")
    assert service.wait_for(lambda s: s.requests)
    (file,) = (tmp_path / "state" / "tunedeck").glob("*/job-7/*/*.ndjson")
    assert json.loads(file.read_text())["message"] == "kept"
    assert file.parent.stat().st_mode & 0o077 == 0


def test_dict_config_does_not_end_the_log(service, make_log):
    log, handler = make_log(service.url)
    log.info("before")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "loggers": {}})
    log.info("after")
    assert handler.flush() is True
    assert service.messages == ["before", "after"]


def test_close_and_flush_in_turn_lose_nothing(service, make_log):
    log, handler = make_log(service.url)
    for number in range(5):
        log.info("%d", number)
        handler.close()
    assert service.messages == ["0", "1", "2", "3", "4"]
    assert handler.flush() is True


def test_logging_waits_a_moment_for_a_dead_service(free_port, start_service, make_log, monkeypatch):
    timeouts, flush = [], LogShipper.flush
    monkeypatch.setattr(LogShipper, "flush", lambda self, timeout: timeouts.append(timeout) or flush(self, timeout))
    log, handler = make_log(f"http://127.0.0.1:{free_port}")
    log.info("before")
    logging.shutdown([weakref.ref(handler)])
    assert timeouts == [CLOSE_TIMEOUT]
    assert CLOSE_TIMEOUT < 1
    log.info("after")
    service = start_service(free_port)
    assert handler.flush(30) is True
    assert service.messages == ["before", "after"]


def test_a_record_of_two_loggers_is_sent_once(service, make_log):
    log, handler = make_log(service.url)
    child = logging.Logger("child")
    child.parent = log
    child.addHandler(handler)
    _, second = make_log(service.url)
    child.addHandler(second)
    child.info("once")
    child.info("once")
    assert handler.flush()
    assert second.flush()
    assert service.messages == ["once", "once"], "two records, and three handlers that saw each"


def test_an_error_does_not_linger(service, make_log, long_linger):
    log, _ = make_log(service.url)
    log.info("first")
    assert service.wait_for(lambda s: len(s.lines) == 1)
    log.error("second")
    assert service.wait_for(lambda s: len(s.lines) == 2)


def test_after_close_no_thread_is_left_whatever_the_service_does(free_port, start_service, make_log):
    log, handler = make_log(f"http://127.0.0.1:{free_port}")
    log.info("waits")
    handler.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("tunedeck")] == []
    service = start_service(free_port)
    log.info("goes")
    assert handler.flush(30) is True
    assert service.messages == ["waits", "goes"]
