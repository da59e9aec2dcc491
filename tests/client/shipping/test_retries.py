"""What the sender does with each answer but 201."""

import email.utils
import itertools
import math
import os
import socket
import threading
import time

import pytest
from tunedeck_client.shipping.post import Post


def gaps(service):
    times = [arrival for _, _, _, arrival in service.requests]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.parametrize("trouble", ["lose", "reset", "hang", 408, 429, 500, 502, 503, 504])
def test_it_repeats_the_same_bytes_under_the_same_key(service, make_log, trouble):
    service.plan = [trouble, trouble]
    log, handler = make_log(service.url, timeout=0.1 if trouble == "hang" else 15)
    log.info("once")
    assert handler.flush()
    assert service.messages == ["once"]
    # On a busy machine an answer may take longer than the time-out as well.
    assert len(service.requests) == 3 or (trouble == "hang" and len(service.requests) > 3)
    assert len({(key, body) for key, body, _, _ in service.requests}) == 1


def test_the_pauses_grow(service, make_log):
    service.plan = [500] * 4
    log, _ = make_log(service.url, backoff=0.04)
    log.info("x")
    assert service.wait_for(lambda s: s.lines)
    assert gaps(service)[0] >= 0.02
    assert gaps(service)[3] >= 0.16


def test_lines_wait_in_order_after_a_batch_in_trouble(service, make_log):
    service.plan = [503, "lose", "reset", 500]
    log, handler = make_log(service.url)
    for number in range(2_500):
        log.info("%d", number)
    assert handler.flush()
    assert service.messages == [str(number) for number in range(2_500)]


def test_it_waits_as_long_as_it_is_asked_to(service, make_log):
    service.plan = [(503, {"Retry-After": "1"})]
    log, handler = make_log(service.url)
    log.info("x")
    assert handler.flush()  # which does not cut the wait short
    assert gaps(service)[0] >= 0.98


def test_it_reads_a_date_in_retry_after(service, make_log):
    due = math.ceil(time.time()) + 1
    due_monotonic = time.monotonic() + due - time.time()
    service.plan = [(429, {"Retry-After": email.utils.formatdate(due, usegmt=True)})]
    log, handler = make_log(service.url)
    log.info("x")
    assert handler.flush()
    assert service.requests[1][3] >= due_monotonic - 0.1  # the one clock may be slewed meanwhile


def test_nonsense_in_retry_after_is_no_reason_to_stop(service, make_log):
    service.plan = [(503, {"Retry-After": value}) for value in ("soon", "-5", "", "0")]
    log, handler = make_log(service.url)
    log.info("x")
    assert handler.flush()


@pytest.mark.parametrize("status", [413, 422])
def test_only_the_bad_line_is_dropped_and_the_loss_is_told(service, log_in_one_batch, status):
    service.refuse = lambda line: status if line["message"] in ("bad", "worse") else None
    bad = {37: "bad", 38: "worse"}
    log_in_one_batch([bad.get(number, f"line {number}") for number in range(100)]).flush()
    assert service.wait_for(lambda s: len(s.lines) == 100)
    *rest, told = service.lines
    assert [line["message"] for line in rest] == ["first"] + [f"line {n}" for n in range(100) if n not in (37, 38)]
    assert told["level"] == "warn"
    assert told["message"].startswith("tunedeck-client: 2 lines lost, from 2")
    assert f"refused, the service answered {status} a bad line" in told["message"]
    assert len(service.requests) < 30


def test_the_halves_have_keys_that_come_from_the_batchs(service, log_in_one_batch):
    service.refuse = lambda line: 422 if line["message"] == "bad" else None
    log_in_one_batch(["a", "bad"]).flush()
    keys = [key for key, _, _, _ in service.requests]
    assert keys[1:4] == [keys[1], keys[1] + ".0", keys[1] + ".1"]


def test_a_lost_answer_to_a_half_duplicates_nothing(service, log_in_one_batch):
    service.refuse = lambda line: 422 if line["message"] == "bad" else None
    service.plan = [None, None, "lose"]
    log_in_one_batch(["a", "b", "bad", "c"]).flush()
    assert service.wait_for(lambda s: len(s.lines) == 5)
    assert service.messages[:4] == ["first", "a", "b", "c"]
    keys = [key for key, _, _, _ in service.requests]
    assert keys[2] == keys[3] == keys[1] + ".0", "the half whose answer was lost"


def test_flush_is_false_after_a_loss_and_true_again(service, make_log):
    service.refuse = lambda line: 422 if line["message"] == "bad" else None
    log, handler = make_log(service.url)
    log.info("bad")
    assert handler.flush() is False
    log.info("good")
    assert handler.flush() is True
    assert service.messages[-1] == "good"


def test_a_refused_report_is_not_reported(service, make_log, capfd):
    service.refuse = lambda line: 422
    log, handler = make_log(service.url)
    log.info("bad")
    handler.flush()
    handler.flush()
    time.sleep(0.35)
    assert len(service.requests) == 2  # the line and its report, and then no more
    assert "answers 422" in capfd.readouterr().err


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_job_is_waited_for_and_then_given_up(service, make_log, capfd, status):
    service.always = status
    log, handler = make_log(service.url, patience=0.15, backoff=0.03)
    log.info("lost")
    assert service.wait_for(lambda s: handler.lost == 1)
    assert 2 <= len(service.requests) <= 10
    log.info("lost too")
    assert service.wait_for(lambda s: handler.lost == 2)
    assert capfd.readouterr().err.count(f"answers {status}") == 1
    service.always = None
    log.info("found")
    handler.flush()
    assert service.wait_for(lambda s: len(s.lines) == 2)
    assert service.messages[0] == "found"
    assert f"2 lines lost, from {'2'}" in service.messages[1]


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422, 201])
def test_a_proxys_word_drops_no_line(service, make_log, status):
    service.always = b"%d <html>nginx</html>" % status
    log, handler = make_log(service.url, patience=0.05, backoff=0.01)
    for number in range(3):
        log.info("%d", number)
    assert handler.flush(0.5) is False
    assert (service.lines, handler.lost) == ([], 0)
    service.always = None
    assert handler.flush() is True
    assert service.messages == ["0", "1", "2"]


@pytest.mark.parametrize("status", [400, 404])
def test_once_a_line_was_stored_the_job_is_waited_for(service, make_log, status):
    log, handler = make_log(service.url, patience=0.05, backoff=0.01)
    log.info("stored")
    assert handler.flush()
    service.always = status
    log.info("kept")
    assert handler.flush(0.5) is False
    assert handler.lost == 0
    service.always = None
    assert handler.flush() is True
    assert service.messages == ["stored", "kept"]


def test_a_log_that_was_deleted_takes_no_more_lines(service, make_log, capfd):
    log, handler = make_log(service.url)
    log.info("stored")
    assert handler.flush()
    service.always = 410
    log.info("dropped")
    assert handler.flush() is False
    assert (handler.lost, len(service.requests)) == (1, 2)
    assert "answers 410" in capfd.readouterr().err


def test_a_job_that_appears_in_time_loses_nothing(service, make_log):
    service.plan = [404] * 3
    log, handler = make_log(service.url)
    log.info("early")
    assert handler.flush() is True
    assert service.messages == ["early"]


@pytest.mark.parametrize("status", [401, 403, 200, 302])
def test_an_answer_that_nobody_expects_keeps_the_lines_and_is_asked_rarely(service, make_log, capfd, status):
    service.always = status
    log, handler = make_log(service.url)
    log.info("kept")
    log.info("kept too")
    assert service.wait_for(lambda s: s.requests)
    time.sleep(0.2)  # for the ten times that the backoff alone would have it ask again
    assert len(service.requests) == 1
    assert capfd.readouterr().err.count(f"answers {status}") == 1
    service.always = None
    assert handler.flush() is True
    assert service.messages == ["kept", "kept too"]


def test_a_connection_that_is_reset_at_once_is_no_response(monkeypatch):
    def reset(*args, **kwargs):
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(socket, "create_connection", reset)
    result = Post("http://127.0.0.1:1", 7, None, 5.0)("key", b"{}")
    assert (result.status, result.reason) == (0, "ConnectionResetError: reset by peer")


def test_an_answer_before_the_body_is_read_is_an_answer():
    def refuse(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=refuse, args=(server,))
        thread.start()
        post = Post(f"http://127.0.0.1:{server.getsockname()[1]}", 7, None, 5.0)
        answer = post("key", os.urandom(16_000_000))  # more than fits into the sockets' buffers
        thread.join()
    assert answer.status == 413
