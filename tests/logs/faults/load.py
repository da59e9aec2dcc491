"""Writers and readers that never give up, and the oracle: each reader saw lines 1 to N once, as the tables have it."""

from __future__ import annotations

import itertools
import random
import re
import socket
import threading
import time
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests

AWAY = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.Timeout)
"""What a client sees of a service that was killed."""


def jobs_url(url):
    return f"{url}/api/v1/jobs"


def create_job(url):
    return requests.post(jobs_url(url), json={"dataset_id": 1}, timeout=10).json()["ID"]


def end_job(url, job):
    """Complete a job, whatever stands in the way."""
    for status in ("running", "completed"):
        until_answered(
            lambda status=status: requests.put(f"{jobs_url(url)}/{job}", json={"status": status}, timeout=10)
        )


def until_answered(send, patience_s=30):
    """Send until the answer is neither a broken connection nor a 503, and return it."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            answer = send()
            if answer.status_code != 503:
                return answer
            assert answer.headers["Retry-After"]
        except AWAY:
            pass
        assert time.monotonic() < deadline, "the service did not come back"
        time.sleep(0.05)


def read_rows(url, job):
    """Return all (number, message) that the tables have."""
    rows, more = [], True
    while more:
        params = {"limit": 1000, "after": len(rows)}
        page = until_answered(
            lambda params=params: requests.get(f"{jobs_url(url)}/{job}/logs", params, timeout=10)
        ).json()
        rows += [(line["ID"], line["message"]) for line in page["logs"]]
        more = page["has_more"]
    return rows


class Writer(threading.Thread):
    """Sends numbered lines in batches, each under a key of its own, until they are answered 201."""

    def __init__(self, url, job, name, seed, pause_s=0.005, batch=5):
        super().__init__(name=f"writer {name}", daemon=True)
        self.url, self.job, self.pause_s, self.batch = url, job, pause_s, batch
        self.random = random.Random(f"{seed} {name}")
        self.stopping = threading.Event()
        self.acknowledged: list[str] = []
        self.last_id = 0
        self.retries = 0
        self.slowest_s = 0.0
        self.failure: BaseException | None = None

    def run(self):
        try:
            with requests.Session() as self.session:
                while not self.stopping.is_set():
                    self._send()
                    time.sleep(self.random.random() * 2 * self.pause_s)
        except BaseException as failure:
            self.failure = failure

    def _send(self):
        """Send one batch until it is taken."""
        count = self.random.randint(1, 2 * self.batch - 1)
        first = len(self.acknowledged)
        messages = [f"{self.name} {number}" for number in range(first, first + count)]
        key = str(uuid.uuid4())
        tries = itertools.count()

        def post():
            self.retries += next(tries) > 0
            began = time.monotonic()
            try:
                return self.session.post(
                    f"{jobs_url(self.url)}/{self.job}/logs",
                    json={"logs": [{"message": message} for message in messages]},
                    headers={"Idempotency-Key": key},
                    timeout=10,
                )
            finally:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)

        answer = until_answered(post)
        assert answer.status_code == 201, answer.text
        assert answer.json()["count"] == count
        self.last_id = answer.json()["last_id"]
        self.acknowledged += messages


@dataclass
class Events:
    """A parser of streams: whole events only, as the HTML standard has it."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    controls: list[str] = field(default_factory=list)
    retry_ms: int = 0
    unread: bytes = b""

    def feed(self, data):
        self.unread += data
        *blocks, self.unread = self.unread.split(b"\n\n")
        for block in blocks:
            self._take(block)

    def _take(self, block):
        text, name, line_id = [], "", None
        for row in block.decode().split("\n"):
            label, _, value = row.partition(":")
            if label == "data":
                text.append(value.removeprefix(" "))
            elif label == "id":
                line_id = int(value)
            elif label == "event":
                name = value.strip()
            elif label == "retry":
                self.retry_ms = int(value)
            else:
                assert row == ":", row
        if name == "reset":
            self.lines.clear()
        if name:
            self.controls.append(name)
        elif text:
            self.lines.append((line_id, "\n".join(text).split("] ", 2)[2]))


class Reader(threading.Thread):
    """Follows a stream to its end, coming back behind the last line that it has, as a browser does."""

    def __init__(self, url, job, delay_s=0.0, hang_up_every=None):
        super().__init__(name="reader", daemon=True)
        self.url, self.job, self.delay_s, self.hang_up_every = url, job, delay_s, hang_up_every
        self.events = Events()
        self.statuses: list[int] = []
        self.connections = 0
        self.finished = False
        self.failure: BaseException | None = None
        self.stopping = threading.Event()

    @property
    def lines(self):
        return self.events.lines

    def last_id(self):
        return self.lines[-1][0] if self.lines else 0

    def run(self):
        try:
            time.sleep(self.delay_s)
            while not self.finished and not self.stopping.is_set():
                with suppress(*AWAY):
                    self._connect()
                time.sleep(0.05)
        except BaseException as failure:
            self.failure = failure

    def _connect(self):
        self.connections += 1
        self.events.unread = b""
        headers = {"Last-Event-ID": str(self.lines[-1][0])} if self.lines else {}
        url = f"{jobs_url(self.url)}/{self.job}/logs"
        with closing(requests.get(url, headers=headers, stream=True, timeout=20)) as answer:
            self.statuses.append(answer.status_code)
            assert answer.status_code in (200, 204), answer.text
            if answer.status_code == 204:
                self.finished = True
                return
            began = len(self.lines)
            for part in answer.iter_content(None):
                self.events.feed(part)
                if "end" in self.events.controls:
                    self.finished = True
                    return
                if self.stopping.is_set():
                    return
                if self.hang_up_every and len(self.lines) - began >= self.hang_up_every:
                    return


class Load:
    """Writers and readers of one job."""

    def __init__(self, url, seed, writers=4, readers=8, **writing):
        self.url, self.job = url, create_job(url)
        self.writers = [Writer(url, self.job, name, seed, **writing) for name in range(writers)]
        # Every other one hangs up now and then.
        self.readers = [
            Reader(url, self.job, delay_s=number * 0.1, hang_up_every=37 if number % 2 else None)
            for number in range(readers)
        ]
        self.started = time.monotonic()
        for thread in [*self.writers, *self.readers]:
            thread.start()

    @property
    def written(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def wait_for(self, more, patience_s=20):
        """Return when so many more lines were acknowledged; fail where none is for so long, not where it is slow."""
        goal = self.written + more
        self._wait_until(lambda: self.written >= goal, lambda: self.written, patience_s)

    def _wait_until(self, happens, progress, patience_s):
        """Wait until ``happens()``; fail where the ``progress()`` stands still."""
        seen, deadline = progress(), time.monotonic() + patience_s
        while not happens():
            self.check()
            if progress() != seen:
                seen, deadline = progress(), time.monotonic() + patience_s
            assert time.monotonic() < deadline, f"of {self.written} lines it stands still at {seen}"
            time.sleep(0.01)

    def check(self):
        for thread in [*self.writers, *self.readers]:
            if thread.failure is not None:
                raise thread.failure

    def finish(self, *, end=False, patience_s=20):
        """Stop writing and hold every reader to what the tables have; with ``end`` the readers stay to the end."""
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.join(patience_s)
        if end:
            end_job(self.url, self.job)
        else:
            last = self._say_goodbye()
            self._wait_for_readers(last, patience_s)
            for reader in self.readers:
                reader.stopping.set()
            self._say_goodbye()  # whoever waits for a line sees that it should stop
        for reader in self.readers:
            self._wait_until(lambda reader=reader: not reader.is_alive(), reader.last_id, patience_s)
        self.check()
        rows = read_rows(self.url, self.job)
        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        for writer in self.writers:
            own = [message for _, message in rows if message.startswith(f"{writer.name} ")]
            assert own == writer.acknowledged
        for reader in self.readers:
            seen = rows if end else rows[: len(reader.lines)]
            assert reader.lines == seen, difference(reader.lines, seen)
        return rows

    def _say_goodbye(self):
        key = str(uuid.uuid4())

        def post():
            url, headers = f"{jobs_url(self.url)}/{self.job}/logs", {"Idempotency-Key": key}
            return requests.post(url, json={"message": "goodbye"}, headers=headers, timeout=10)

        return until_answered(post).json()["ID"]

    def _wait_for_readers(self, last, patience_s):
        for reader in self.readers:
            self._wait_until(lambda reader=reader: reader.last_id() >= last, reader.last_id, patience_s)


def read_metrics(url):
    """Return the service's metrics that have no labels, by name."""
    answer = requests.get(f"{url}/metrics", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", answer.text, re.M)}


def push_one_by_one(url, job, raw, count):
    """Store line after line and hold an open stream of the job to showing each before the next is sent."""
    for number in range(1, count + 1):
        requests.post(f"{jobs_url(url)}/{job}/logs", json={"message": "x" * number}, timeout=10)
        read = read_until(raw, b"id: %d\n\n" % number)
        assert read.count(b"id: ") == 1
        assert b"\n:\n" not in read, "a line waits for the next heartbeat"


def difference(lines, rows):
    at = next((place for place, pair in enumerate(zip(lines, rows, strict=False)) if pair[0] != pair[1]), None)
    place = min(len(lines), len(rows)) if at is None else at
    return f"{len(lines)} lines of {len(rows)}; at {place}: {lines[place : place + 2]} for {rows[place : place + 2]}"


def open_raw(url, path, *headers, receive_buffer=None):
    """Send a GET by a bare socket and return the socket."""
    address = urlsplit(url)
    raw = socket.socket()
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(20)
    raw.connect((address.hostname, address.port))
    raw.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode("latin-1"))
    return raw


def read_until(raw, mark):
    """Read from a bare socket up to a mark, or to its end."""
    read = bytearray()
    while read.find(mark, max(0, len(read) - len(mark) - 65536)) < 0:
        part = raw.recv(65536)
        if not part:
            break
        read += part
    return bytes(read)
