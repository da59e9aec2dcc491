"""How long a line takes from the POST that brings it to the clients, against nchan; `python -m bench.latency`.

500 clients and 200 lines a second on one job, each line in a POST of its own. Ours is durable: what a client sees is on
disk. A line carries the time at which its POST began; every tenth client looks at it, the others only read.
"""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from bench import support
from bench.delivery import create_job, read_answer
from bench.support import Row

CLIENTS = 500
WATCHED = 50
LINES_PER_S = 200
PUBLISHERS = 4
WARM_UP_S = 2.0
MEASURE_S = 10.0
GOAL = "≤ 1.5×"

_STAMP = re.compile(rb"stamp (\d+) ")


def publish(url: str, path: str, media_type: str, template: str, stop: Event) -> None:
    """Send lines at a steady rate; one that is answered late does not slow down those after it."""
    support.pin(support.CLIENT_CORE)
    due = time.monotonic()
    with support.connect(url) as connection:
        while not stop.is_set():
            due += PUBLISHERS / LINES_PER_S
            time.sleep(max(0.0, due - time.monotonic()))
            body = template.replace("STAMP", f"stamp {time.monotonic_ns()} ").encode()
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
            head += f"Content-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            read_answer(connection)


def latencies(url: str, path: str) -> list[float]:
    """Return the milliseconds that each line took to each watched client."""
    selector = selectors.DefaultSelector()
    for number, client in enumerate(support.open_streams(url, path, CLIENTS)):
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, data=number % (CLIENTS // WATCHED) == 0)
    found: list[float] = []
    begins = time.monotonic() + WARM_UP_S
    ends = begins + MEASURE_S
    while (now := time.monotonic()) < ends:
        for key, _ in selector.select(0.1):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            data = client.recv(262144)
            if key.data and now > begins:
                arrived = time.monotonic_ns()
                found += [(arrived - int(stamp)) / 1e6 for stamp in _STAMP.findall(data)]
    return found


def measure(url: str, publish_to: str, stream_from: str, media_type: str, template: str) -> list[float]:
    stop = multiprocessing.Event()
    arguments = (url, publish_to, media_type, template, stop)
    publishers = [multiprocessing.Process(target=publish, args=arguments) for _ in range(PUBLISHERS)]
    for publisher in publishers:
        publisher.start()
    try:
        return latencies(url, stream_from)
    finally:
        stop.set()
        for publisher in publishers:
            publisher.join(5)
            publisher.terminate()


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with support.nchan(folder) as url:
            reference = measure(url, "/pub", "/sub", "text/plain", "STAMP loss 0.4312, 8123 tokens/s")
        with support.valkey(folder) as redis_url, support.logs_service(f"sqlite:///{folder}/l.db", redis_url) as url:
            path = f"/api/v1/jobs/{create_job(url)}/logs"
            ours = measure(url, path, path, "application/json", '{"message": "STAMP loss 0.4312, 8123 tokens/s"}')
    for name, pick in (("p50", 50), ("p99", 99)):
        values = [statistics.quantiles(each, n=100)[pick - 1] for each in (ours, reference)]
        goal = GOAL if pick == 99 else ""
        Row(f"{name} from POST to client, {CLIENTS} clients × {LINES_PER_S} lines/s", *values, goal, "ms").print()


if __name__ == "__main__":
    main()
