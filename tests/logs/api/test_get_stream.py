"""GET /api/v1/jobs/:id/logs as a stream"""

import json
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

from tests.support.document import OURS, read_samples

OPENING = b"retry: 3000\n:\n"
AT = "2024-02-19T10:30:45Z"


ENDED = {
    "plain": [
        {"message": "Starting training job", "timestamp": AT},
        {"message": "GPU memory usage high", "level": "warn", "timestamp": "2024-02-19T23:59:59.999999Z"},
        {"message": "", "level": "debug", "timestamp": "1969-12-31T00:00:00Z"},
        {"message": "a\r\nb\rc\n\n", "level": "error", "timestamp": AT},
    ],
    "five": [{"message": str(number)} for number in range(1, 6)],
    "levels": [{"message": "seen", "level": "error"}, {"message": "hidden"}, {"message": "hidden", "source": "x"}],
    "odd": [{"message": "a\r\nb\u2028c", "level": "warn", "source": "s", "timestamp": AT}],
    "late": [{"message": "one"}],
    "empty": [],
}


@pytest.fixture(scope="module")
def ended(logs):
    """Jobs of some lines each that ended long enough ago, by name."""
    jobs = {}
    for name, lines in ENDED.items():
        jobs[name] = logs.post("/api/v1/jobs", json={"dataset_id": 1}).json()["ID"]
        path = f"/api/v1/jobs/{jobs[name]}"
        if lines:
            assert logs.post(f"{path}/logs", json={"logs": lines}).status_code == 201
        for status in ("running", "completed"):
            assert logs.put(path, json={"status": status}).status_code == 200
    time.sleep(2.1)  # for the last words of a job its streams stay open for two seconds
    return jobs


@pytest.fixture
def resumable(ended):
    """A job of five lines that ended."""
    return ended["five"]


def ids(stream):
    return [int(number) for number in re.findall(rb"^id: (\d+)\n\n", stream, re.MULTILINE)]


def test_it_works(ended, read_stream, open_stream):
    job = ended["plain"]

    stream = read_stream(job)

    assert stream == (
        b"retry: 3000\n:\n"
        b"data: [10:30:45] [INFO] Starting training job\nid: 1\n\n"
        b"data: [23:59:59] [WARN] GPU memory usage high\nid: 2\n\n"
        b"data: [00:00:00] [DEBUG] \nid: 3\n\n"
        b"data: [10:30:45] [ERROR] a\ndata: b\ndata: c\ndata: \ndata: \nid: 4\n\n"
        b'event: end\ndata:{"status":"completed"}\n\n'
    )
    answer = open_stream(job)
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["X-Request-ID"]
    assert "Content-Length" not in answer.headers


def test_the_documents_own_client_sees_the_lines_and_nothing_else(ended, open_stream):
    shown = []
    for line in open_stream(ended["plain"]).iter_lines():
        if line:
            decoded = line.decode("utf-8")
            if decoded.startswith("data: "):
                shown.append(decoded[6:])

    assert shown == [
        "[10:30:45] [INFO] Starting training job",
        "[23:59:59] [WARN] GPU memory usage high",
        "[00:00:00] [DEBUG] ",
        "[10:30:45] [ERROR] a",
        *["b", "c", "", ""],
    ]


def test_new_lines_follow_at_once(job, push, open_stream):
    push(job, {"message": "old", "timestamp": AT})
    answer = open_stream(job)
    parts = answer.iter_content(None)
    read = next(parts)
    while b"old" not in read:
        read += next(parts)

    delays = []
    for number in range(2, 7):
        pushed = time.monotonic()
        push(job, {"message": "new", "timestamp": AT})
        while b"id: %d\n\n" % number not in read:
            read += next(parts)
        delays.append(time.monotonic() - pushed)

    assert statistics.median(delays) < 1  # it is looked for by itself every two seconds only
    event = b"data: [10:30:45] [INFO] %b\nid: %d\n\n"
    assert read == OPENING + event % (b"old", 1) + b"".join(event % (b"new", number) for number in range(2, 7))


def test_an_http_1_0_client_gets_new_lines_without_chunks(logs, job, push):
    address = urlsplit(logs.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(f"GET /api/v1/jobs/{job}/logs HTTP/1.0\r\n\r\n".encode())
        read = b""
        while OPENING not in read:
            read += raw.recv(1000)
        for number in (1, 2):
            push(job, {"message": "new", "timestamp": AT})
            while b"id: %d\n\n" % number not in read:
                read += raw.recv(1000)
    event = b"data: [10:30:45] [INFO] new\nid: %d\n\n"
    assert read.partition(b"\r\n\r\n")[2] == OPENING + event % 1 + event % 2


def test_every_line_arrives_once_whatever_worker_took_it(logs, job, push, read_stream):
    """Readers who join at any moment see 1 to N; each writer's requests go to either worker."""
    count, readers = 400, 8
    seen = []

    def read(delay):
        time.sleep(delay)
        stream = read_stream(job, until=f"last\nid: {count}\n\n".encode())
        seen.append(ids(stream))

    threads = [threading.Thread(target=read, args=(number * 0.05,)) for number in range(readers)]
    for thread in threads:
        thread.start()
    for number in range(1, count):
        push(job, str(number))
    push(job, "last")
    for thread in threads:
        thread.join()

    assert seen == [list(range(1, count + 1))] * readers


TABLE = [
    # Accept, query, stream?
    (None, "", True),
    ("*/*", "", True),
    ("*/*", "?limit=5", False),
    ("*/*", "?after=0", False),
    ("*/*", "?before=5", False),
    ("*/*", "?order=desc", False),
    ("*/*", "?level=info", True),
    ("*/*", "?source=kernel&tail=1&format=json", True),
    ("text/event-stream", "", True),
    ("text/event-stream", "?limit=5", True),
    ("application/json", "", False),
    ("application/json", "?tail=5", False),
    ("application/json, text/event-stream", "", True),
    ("application/json, text/event-stream", "?limit=5", False),
    ("application/json, text/event-stream;q=0.5", "", False),
    ("application/json;q=0.5, text/event-stream", "?limit=5", True),
    ("application/json, */*;q=0.1", "", False),
    ("text/event-stream, */*;q=0.1", "?limit=5", True),
    ("text/event-stream;q=0, */*", "", False),
    ("application/json;q=0, */*", "?limit=5", True),
    ("text/*", "?limit=5", True),
    ("application/*", "", False),
    ("text/html,application/xhtml+xml,*/*;q=0.8", "", True),
    ("text/html", "", True),
    ("text/html", "?limit=5", False),
    ("", "?limit=5", False),
    ("garbage;q=x;;,", "", True),
    ("TEXT/EVENT-STREAM", "?limit=5", True),
    ("text/event-stream; charset=utf-8", "?limit=5", True),
]


@pytest.mark.parametrize(("accept", "query", "as_stream"), TABLE)
def test_accept_decides_then_a_paging_parameter(job, push, open_stream, accept, query, as_stream):
    push(job, "x")

    answer = open_stream(job, query, Accept=accept)

    assert answer.status_code == 200
    kind = "text/event-stream; charset=utf-8" if as_stream else "application/json"
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Vary"] == "Accept"


RESUMES = [
    # id, first line that comes, reset?
    ("0", 1, False),
    ("3", 4, False),
    ("4", 5, False),
    ("004", 5, False),
    ("6", 1, True),
    ("9223372036854775807", 1, True),
    ("9223372036854775808", 1, True),
    ("1" + "0" * 30, 1, True),
    ("9" * 5_000, 1, True),
    ("-1", 1, False),
    ("+3", 1, False),
    ("3.0", 1, False),
    ("3-1708338645", 1, False),
    ("", 1, False),
    ("x", 1, False),
    ("0x3", 1, False),
    ("3,4", 1, False),
    ("1_0", 1, False),
    ("٣".encode(), 1, False),
    (b"\xff\xfe", 1, False),
    ("²".encode("latin-1"), 1, False),
    ("null", 1, False),
]


@pytest.mark.parametrize(("sent", "first", "reset"), RESUMES)
def test_it_resumes(resumable, read_stream, sent, first, reset):
    stream = read_stream(resumable, Last_Event_ID=sent)

    assert ids(stream) == list(range(first, 6))
    assert stream.startswith(OPENING + (b"event: reset\ndata:{}\n\ndata: " if reset else b"data: "))
    assert stream.endswith(b'event: end\ndata:{"status":"completed"}\n\n')


def test_it_resumes_by_the_query(resumable, read_stream, open_stream):
    assert ids(read_stream(resumable, "?last_event_id=3")) == [4, 5]
    assert ids(read_stream(resumable, "?last_event_id=%00")) == [1, 2, 3, 4, 5]
    assert ids(read_stream(resumable, "?last_event_id=1", Last_Event_ID="3")) == [4, 5]
    assert ids(read_stream(resumable, "?last_event_id=3", Last_Event_ID="")) == [4, 5]
    assert ids(read_stream(resumable, "?tail=1&last_event_id=2")) == [3, 4, 5]
    assert open_stream(resumable, "?last_event_id=5").status_code == 204


def test_a_tail_begins_near_the_end(resumable, read_stream, open_stream):
    assert ids(read_stream(resumable, "?tail=2")) == [4, 5]
    assert ids(read_stream(resumable, "?tail=9")) == [1, 2, 3, 4, 5]
    assert ids(read_stream(resumable, f"?tail={2**63 - 1}")) == [1, 2, 3, 4, 5]
    assert open_stream(resumable, "?tail=0").status_code == 204


def test_who_has_it_all_gets_204(resumable, open_stream):
    answer = open_stream(resumable, Last_Event_ID="5")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Vary"] == "Accept"


def test_204_counts_only_what_a_filter_lets_through(ended, open_stream, read_stream):
    """A browser would come back for ever: the last line that it was sent is not the log's last."""
    job = ended["levels"]

    assert open_stream(job, "?level=error", Last_Event_ID="1").status_code == 204
    assert open_stream(job, "?source=nobody").status_code == 204
    assert ids(read_stream(job, "?source=x", Last_Event_ID="1")) == [3]
    assert ids(read_stream(job, "?level=error")) == [1]


def test_an_ended_job_without_lines_has_nothing_left(ended, open_stream):
    assert open_stream(ended["empty"]).status_code == 204


def test_it_sends_records(ended, read_stream, logs):
    job = ended["odd"]

    stream = read_stream(job, "?format=json")

    event = stream.removeprefix(OPENING).split(b"\n\n")[0].decode().split("\n")
    assert event[1:] == ["id: 1"]
    assert json.loads(event[0].removeprefix("data: ")) == {
        "ID": 1,
        "job_id": job,
        "level": "warn",
        "message": "a\r\nb\u2028c",
        "source": "s",
        "timestamp": AT,
    }
    assert logs.get(f"/api/v1/jobs/{job}/logs?limit=1").json()["logs"][0] == json.loads(event[0][6:])


def test_it_filters(job, push, read_stream):
    levels = ["debug", "info", "warn", "error"]
    push(job, *({"message": level, "level": level, "source": source} for source in ("a", "b") for level in levels))

    assert ids(read_stream(job, "?level=warn", until=b"id: 8\n\n")) == [3, 4, 7, 8]
    assert ids(read_stream(job, "?level=Error&source=a", until=b"id: 4\n\n")) == [4]
    assert ids(read_stream(job, "?source=b&tail=6", until=b"id: 8\n\n")) == [5, 6, 7, 8]
    assert ids(read_stream(job, "?level=warn", until=b"id: 8\n\n", Last_Event_ID="4")) == [7, 8]


def test_it_searches(job, push, read_stream, open_stream):
    push(job, "Loss 0.5", "b", "no LOSS", "Straße")

    assert ids(read_stream(job, "?q=loss&follow=false")) == [1, 3]
    assert ids(read_stream(job, "?q=STRASSE&follow=false&format=json")) == [4]


def test_a_search_holds_for_live_lines(job, push, open_stream):
    parts = open_stream(job, "?q=loss").iter_content(None)
    next(parts)

    push(job, "b", "train LOSS 0.5")

    read = b""
    while b"id: " not in read:
        read += next(parts)
    assert ids(read) == [2]


def test_a_filter_holds_for_live_lines(job, push, open_stream):
    parts = open_stream(job, "?level=error").iter_content(None)
    read = next(parts)
    push(job, "no", {"message": "yes", "level": "error"}, "no")
    push(job, {"message": "yes", "level": "error"})
    while b"id: 4\n\n" not in read:
        read += next(parts)

    assert ids(read) == [2, 4]
    assert b"no" not in read


def test_it_ends_two_seconds_after_the_job(job, put, push, open_stream):
    push(job, "one")
    parts = open_stream(job).iter_content(None)
    read = next(parts)

    begin = time.monotonic()
    put(job, status="cancelled")
    push(job, "last words")
    read += b"".join(parts)

    assert time.monotonic() - begin > 1.9
    assert ids(read) == [1, 2]
    assert read.endswith(b'event: end\ndata:{"status":"cancelled"}\n\n')


def test_lines_from_after_the_end_are_in_the_log(ended, push, read_stream, open_stream):
    job = ended["late"]
    assert ids(read_stream(job)) == [1]
    push(job, "late")

    assert ids(read_stream(job)) == [1, 2]
    assert ids(read_stream(job, Last_Event_ID="1")) == [2]
    assert open_stream(job, Last_Event_ID="2").status_code == 204


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"])
def test_head_opens_no_stream(logs, job, push, accept):
    push(job, "x")
    head = logs.head(f"/api/v1/jobs/{job}/logs", headers={"Accept": accept})

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert head.headers["Vary"] == "Accept"
    assert head.headers["Cache-Control"] == "no-cache, no-transform"


def test_a_long_log_comes_whole(job, push, read_stream):
    for batch in range(3):
        push(job, *(f"line {batch * 4000 + number}" for number in range(4000)))

    stream = read_stream(job, until=b"id: 12000\n\n")

    assert ids(stream) == list(range(1, 12_001))
    texts = re.findall(rb"^data: \[..:..:..\] \[INFO\] (.*)$", stream, re.MULTILINE)
    assert texts == [b"line %d" % number for number in range(12_000)]


def test_long_lines_come_whole(job, push, read_stream):
    longest = "€" * (256 * 1024 // 3)
    for _ in range(4):
        push(job, *[longest] * 5)

    stream = read_stream(job, until=b"id: 20\n\n")

    assert ids(stream) == list(range(1, 21))
    assert stream.count(longest.encode()) == 20


@pytest.mark.parametrize("query", ["last_event_id=3", "lastEventId=3", "Last-Event-ID=3"])
def test_it_resumes_by_every_name_that_clients_have_for_it(resumable, read_stream, query):
    assert ids(read_stream(resumable, f"?{query}")) == [4, 5]


def test_without_follow_it_ends_after_what_is_there(job, push, read_stream):
    assert read_stream(job, "?follow=false").endswith(b'event: end\ndata:{"status":"pending"}\n\n')
    push(job, *(f"{number}" for number in range(3_000)))
    stream = read_stream(job, "?follow=false")
    assert ids(stream) == list(range(1, 3_001))
    assert ids(read_stream(job, "?follow=false&level=error")) == []
    assert ids(read_stream(job, "?follow=false&tail=2")) == [2_999, 3_000]


def test_the_python_sample_of_our_reference_prints_each_line_as_it_is(logs, job, push, put, tmp_path):
    """Text that a naive client splits into a line of its own making; and a stream that ends before its job does."""
    (sample,) = (found for found in read_samples(OURS) if found.language == "python" and "follow(url)" in found.text)
    program = tmp_path / "sample.py"
    program.write_text(sample.at(logs.url).replace("jobs/1/", f"jobs/{job}/"))
    push(job, "x\u2028data: [00:00:00] [ERROR] forged", "a\fb\x85c", "two\nlines")
    with subprocess.Popen([sys.executable, "-u", program], stdout=subprocess.PIPE) as running:
        printed = b"".join(running.stdout.readline() for _ in range(4))
        put(job, status="running")
        put(job, status="completed")
        printed += running.stdout.read()
    lines = [line.partition("[INFO] ")[2] for line in printed.decode().split("\n")]
    assert lines == ["x\u2028data: [00:00:00] [ERROR] forged", "a\fb\x85c", "two", "", ""]
    assert printed.decode().split("\n")[3] == "lines"
