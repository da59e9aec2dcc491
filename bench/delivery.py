"""Lines a second that one worker delivers to many live clients, against nchan; `python -m bench.delivery`.

Four publishers send as fast as they are answered. Ours is durable (each POST is answered when its lines are on disk)
and takes several lines in a POST; nchan takes a line a message and keeps it in memory. What wins is gathering: lines
that arrive within a few milliseconds make one write to each client, where nchan makes one write for each line. The rows
with one line a write show ours without it.
"""

from __future__ import annotations

import json
import multiprocessing
import selectors
import socket
import tempfile
import threading
import time
import urllib.request
from multiprocessing.synchronize import Event
from pathlib import Path

from bench import support
from bench.support import Row

WARM_UP_S = 2.0
MEASURE_S = 8.0
PUBLISHERS = 4
UNGATHERED = "bench.ungathered:create_app()"
LINE = "step 1200 of 36000, loss 0.4312, learning rate 0.00009, 8123 tokens/s"


def publish(url: str, path: str, media_type: str, body: bytes, stop: Event) -> None:
    """Send one request after the other over one connection until told to stop."""
    support.pin(support.CLIENT_CORE)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    with support.connect(url) as connection:
        while not stop.is_set():
            connection.sendall(request)
            answer = read_answer(connection)
            if answer[9:10] != b"2":
                raise SystemExit(f"the publisher was refused: {answer[:200]!r}")


def read_answer(connection: socket.socket) -> bytes:
    """Return a whole answer that names its length; head and body may come apart."""
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += connection.recv(65536)
    length = int(answer[:end].lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(answer) < end + 4 + length:
        answer += connection.recv(65536)
    return answer


def count_delivered(url: str, path: str, clients: int, started: Event) -> float:
    """Open ``clients`` streams and return the events a second that came in over all of them."""
    selector = selectors.DefaultSelector()
    for client in support.open_streams(url, path, clients):
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, data=bytearray(b"\0"))
    time.sleep(1)
    started.set()
    _read(selector, WARM_UP_S)
    began = time.monotonic()
    events = _read(selector, MEASURE_S)
    took = time.monotonic() - began
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return events / took


def _read(selector: selectors.BaseSelector, seconds: float) -> int:
    """Read whatever comes and return how many events ended in it; an event ends with an empty line."""
    events = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for key, _ in selector.select(0.1):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                data = client.recv(262144)
            except BlockingIOError:
                continue
            if not data:
                raise SystemExit("a stream ended")
            # the last byte of what came before may be the first half of an empty line
            events += (bytes(key.data) + data).count(b"\n\n")
            key.data[:] = data[-1:] if not data.endswith(b"\n\n") else b"\0"
    return events


def measure(url: str, publish_to: str, stream_from: str, media_type: str, body: bytes, clients: int) -> float:
    started, stop = multiprocessing.Event(), multiprocessing.Event()
    publishers = [
        multiprocessing.Process(target=publish, args=(url, publish_to, media_type, body, stop))
        for _ in range(PUBLISHERS)
    ]

    def begin() -> None:
        """The publishers begin once all clients are there."""
        started.wait()
        for publisher in publishers:
            publisher.start()

    threading.Thread(target=begin).start()
    try:
        return count_delivered(url, stream_from, clients, started)
    finally:
        stop.set()
        for publisher in publishers:
            publisher.join(5)
            publisher.terminate()


def create_job(url: str) -> int:
    """Create a job at the logs service and return its id."""
    body, headers = json.dumps({"dataset_id": 1}).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v1/jobs", body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return int(json.load(response)["ID"])


def measure_ours(folder: Path, clients: int, lines: int, app: str = support.LOGS) -> float:
    database = f"sqlite:///{folder}/logs-{time.monotonic_ns()}.db"
    with support.valkey(folder) as redis_url, support.logs_service(database, redis_url, app) as url:
        path = f"/api/v1/jobs/{create_job(url)}/logs"
        one = {"level": "info", "message": LINE, "source": "worker"}
        body = json.dumps(one if lines == 1 else {"logs": [one] * lines}).encode()
        return measure(url, path, path, "application/json", body, clients)


def measure_nchan(folder: Path, clients: int) -> float:
    with support.nchan(folder) as url:
        return measure(url, "/pub", "/sub", "text/plain", LINE.encode(), clients)


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for clients, batched, single in ((100, "≥ 3×", "≥ 0.5×"), (1000, "≥ 8×", "≥ 1×")):
            reference = measure_nchan(folder, clients)
            for lines, goal in ((20, batched), (1, single)):
                ours = measure_ours(folder, clients, lines)
                Row(f"{clients} clients, {lines} lines a POST, durable", ours, reference, goal, "lines/s").print()
            ours = measure_ours(folder, clients, 20, UNGATHERED)
            Row(f"{clients} clients, 20 lines a POST, one write a line", ours, reference, "", "lines/s").print()


if __name__ == "__main__":
    main()
