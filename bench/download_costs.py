"""What downloads cost: CPU, memory, others' waiting, the first byte; `python -m bench.download_costs`.

``--megabytes`` takes smaller files and archives than the 512 MB and 10 GB of the claims.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from isal import isal_zlib

from bench import support
from bench.delivery import read_answer
from bench.models import MODELS, ModelsSystem, download, models_system
from bench.support import Row
from bench.zeros import zeros

FILES = 8
PLANNED, ROUNDS = 10_000, 5
FILES_OF_ZEROS = 100
FAST, MANY = 16, 100
PROBES = 300
RELAYED_BYTES = 2**20
"""What our service reads at once for a lone client, too."""


def cpu_seconds(pid: int) -> float:
    """Return what a process and all that it started have used."""
    ticks = 0
    for member in support.family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def relay(target: str) -> None:
    """Copy one connection after the other from ``target``, socket to socket; prints its own port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            with client, support.connect(target) as server:
                server.sendall(client.recv(65536))
                while data := server.recv(RELAYED_BYTES):
                    client.sendall(data)


def measure_cpu(system: ModelsSystem, megabytes: int) -> None:
    """CPU a GB of the service, and of a relay for the same objects; in turns."""
    url = system.ready_model(FILES, megabytes * 10**6)
    named = system.service + system.named(url)
    size = FILES * megabytes / 1000
    command = [sys.executable, "-c", f"from bench.download_costs import relay; relay({system.store.endpoint!r})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as copier:
        assert copier.stdout is not None
        port = copier.stdout.readline().strip()
        links = [
            link.replace(system.store.endpoint, f"http://127.0.0.1:{port}")
            for link in system.links(url, system.store.endpoint)
        ]
        host = system.store.endpoint.removeprefix("http://")
        ours, theirs = [], []
        for _ in range(5):
            ours.append(used(system.pid, lambda: download(named)) / size)
            # One connection an object: the relay knows nothing of HTTP.
            theirs.append(used(copier.pid, lambda: [download(link, host=host) for link in links]) / size)
        copier.kill()
    what = "CPU a GB of the service, against a copy from socket to socket"
    Row(what, statistics.median(ours), statistics.median(theirs), "≤ 1.2×", "s").print()


def used(pid: int, work: Callable[[], object]) -> float:
    before = cpu_seconds(pid)
    work()
    return cpu_seconds(pid) - before


def measure_waiting(system: ModelsSystem, megabytes: int) -> None:
    """The p95 of another request to the one worker, with so many downloads and with none."""
    url = system.ready_model(1, megabytes * 10**6)
    named = system.service + system.named(url)
    alone = p95_ms(system, url)
    stop = threading.Event()
    clients = [threading.Thread(target=keep_downloading, args=(named, stop)) for _ in range(FAST)]
    for client in clients:
        client.start()
    time.sleep(1)
    beside = p95_ms(system, url)
    stop.set()
    for client in clients:
        client.join()
    goal = "≤ 3×" if beside > 50 else ""
    Row(f"p95 of another request beside {FAST} downloads (or 50 ms)", beside, alone, goal, "ms").print()


def keep_downloading(url: str, stop: threading.Event) -> None:
    while not stop.is_set():
        download(url)


def p95_ms(system: ModelsSystem, url: str) -> float:
    return statistics.quantiles(request_times(system, url, PROBES), n=20)[-1]


def request_times(system: ModelsSystem, url: str, count: int) -> list[float]:
    """Return the milliseconds of so many small requests, one after the other on one connection."""
    times = []
    with support.connect(system.service) as client:
        request = f"GET {url}/files?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(count):
            begin = time.perf_counter()
            client.sendall(request)
            assert b" 200 " in read_answer(client)[:20]
            times.append((time.perf_counter() - begin) * 1000)
    return times


def measure_memory(system: ModelsSystem, megabytes: int) -> None:
    """The most that the service had: with a small archive, a large one, and many at once."""
    small = system.service + system.named(system.ready_model(1, 10**6))
    large = system.service + system.named(system.ready_model(20, megabytes * 10**6))
    slow = system.service + system.named(system.ready_model(1, 50 * 10**6))
    compare_memory(
        system,
        small,
        {
            f"an archive of {20 * megabytes / 1000:g} GB": lambda: download(large),
            f"{MANY} archives at once": lambda: download_slowly(slow),
        },
    )


def measure_huge_memory(folder: Path, megabytes: int) -> None:
    """The same with an archive that is larger than the disk, from a stand-in for S3 that serves zeros."""
    size = 2 * megabytes * 10**6
    with zeros(FILES_OF_ZEROS, size) as store_url, models_system(folder, store_url=store_url) as system:
        model = system.request("POST", MODELS, {"name": "Huge", "base_model": "b"})
        url = f"{MODELS}/{model['ID']}"
        # One object's are those of all; nobody reads its SHA-256.
        system.freeze(url, crc32_of_zeros(size), "0" * 64)
        whole = system.service + system.named(url)
        head = f"{system.service}{url}/download?include=000.bin"
        what = f"an archive of {FILES_OF_ZEROS * size / 1e9:g} GB of zeros"
        compare_memory(system, head, {what: lambda: download(whole)})


def crc32_of_zeros(size: int) -> int:
    block, crc32 = bytes(10**6), 0
    for _ in range(size // len(block)):
        crc32 = isal_zlib.crc32(block, crc32)
    return crc32


def compare_memory(system: ModelsSystem, small: str, works: dict[str, Callable[[], object]]) -> None:
    """Print the most memory during each of ``works``, beside that during the download of ``small``."""
    for _ in range(10):
        download(small)  # so that all code is in the memory of all workers
    reference = most_kib(system, lambda: download(small))
    for what, work in works.items():
        most = most_kib(system, work)
        growth = f"+{(most - reference) / 1024:.0f} MiB, at most 50"
        Row(f"memory, {what} ({growth})", most / 1024, reference / 1024, "", "MiB").print()


def download_slowly(url: str) -> None:
    """Take the same archive so many times at once, at 5 MB/s."""
    command = ["curl", "-sSf", "--limit-rate", "5M", "-o", "/dev/null", url]
    with ExitStack() as stack:
        clients = [stack.enter_context(subprocess.Popen(command)) for _ in range(MANY)]
        assert not any(client.wait() for client in clients)


def most_kib(system: ModelsSystem, work: Callable[[], object]) -> int:
    worker = threading.Thread(target=work)
    worker.start()
    most = 0
    while worker.is_alive():
        most = max(most, support.memory_kib(system.pid))
        time.sleep(0.1)
    return most


def measure_first_byte(system: ModelsSystem) -> None:
    """Milliseconds to the first byte of a model of many files, for a worker that never saw this revision, and again."""
    url = system.ready_model(PLANNED, 1000)
    named = system.service + system.named(url)
    cold, beside = [], []
    for alone in [True, False] * ROUNDS:
        for status in ("uploading", "ready"):  # a new revision, of the same files
            system.request("PUT", url, {"status": status})
        if alone:
            cold.append(first_byte_ms(named))
            continue
        with probing(system, url) as times:
            first_byte_ms(named)
        beside += times
    again = statistics.median(first_byte_ms(named) for _ in range(20))
    rows = {
        f"first byte of {PLANNED:,} files, planned anew, against the bound": (statistics.median(cold), 150),
        "the same, planned before": (again, 10),
        "p95 of another request while it is planned": (statistics.quantiles(beside, n=20)[-1], 30),
    }
    for what, (ours, bound) in rows.items():
        Row(what, ours, bound, "≤ 1×", "ms").print()


@contextmanager
def probing(system: ModelsSystem, url: str) -> Iterator[list[float]]:
    """Give the milliseconds of requests that are made one after the other during the block."""
    times: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            times.extend(request_times(system, url, 1))

    prober = threading.Thread(target=probe)
    prober.start()
    try:
        yield times
    finally:
        stop.set()
        prober.join()


def first_byte_ms(url: str) -> float:
    host, path = url.removeprefix("http://").split("/", 1)
    with support.connect(f"http://{host}") as client:
        begin = time.perf_counter()
        client.sendall(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = client.recv(65536)
        while b"\r\n\r\nPK" not in answer:
            answer += client.recv(65536)
        return (time.perf_counter() - begin) * 1000


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=512)
    megabytes = arguments.parse_args().megabytes
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, models_system(Path(name), workers=1) as system:
        measure_first_byte(system)
        measure_cpu(system, megabytes)
        measure_waiting(system, megabytes)
    with tempfile.TemporaryDirectory() as name, models_system(Path(name)) as system:
        measure_memory(system, megabytes)
    with tempfile.TemporaryDirectory() as name:
        measure_huge_memory(Path(name), megabytes)


if __name__ == "__main__":
    main()
