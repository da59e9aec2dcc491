"""`tunedeck run` around a program that prints 100,000 lines, against the program into a file; `python -m bench.run`.

The program prints a line each 0.1 ms, faster than any training does; in the second row it does nothing else. Its time
under `tunedeck run` has the start and the end of that in it, until the service has every line. And lines pushed by the
handler, alone and with the metrics of 20 steps a second beside them; and what a log call costs its caller while the
service is away, against `logging`'s own handler that writes to memory.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import support
from bench.delivery import LINE, create_job
from bench.support import Row
from run import parts
from run.settings import free_port

LINES = 100_000
ROUNDS = 5

PROGRAM = f"""
import sys, time
pause, until = float(sys.argv[1]), time.perf_counter()
for number in range({LINES}):
    until += pause
    while time.perf_counter() < until:
        pass
    print(number, {LINE!r})
"""
HANDLER = f"""
import logging, sys, time
from tunedeck_client import JobLogHandler
job, url, folder, steps_a_second = sys.argv[1:]
handler = JobLogHandler(int(job), url=url, spool_dir=folder)
log = logging.Logger("training")
log.addHandler(handler)
values = {{"loss": 0.4, "lr": 1e-4, "grad_norm": 1.2, "epoch": 0.1, "tokens": 8e3}}
began = reported = time.perf_counter()
for number in range({LINES}):
    log.info({LINE!r})
    if (time.perf_counter() - reported) * float(steps_a_second) >= 1:
        reported = time.perf_counter()
        handler.log_metrics(values, number)
assert handler.flush(None)
print(time.perf_counter() - began)
"""

CALLS = f"""
import io, logging, sys, time
from tunedeck_client import JobLogHandler
def cost(handler):
    log = logging.Logger("training")
    log.addHandler(handler)
    began = time.perf_counter()
    for number in range(20_000):
        log.info({LINE!r})
    return (time.perf_counter() - began) / 20_000
print(cost(JobLogHandler(1, url=sys.argv[1], spool_dir=sys.argv[2], exit_timeout=0)))
print(cost(logging.StreamHandler(io.StringIO())))
"""


def environ_in(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(parts.ROOT / "client"), "XDG_STATE_HOME": str(folder / "state")}


def seconds_of(command: list[str], folder: Path) -> float:
    """Return the wall time of a command whose output goes to a file."""
    with (folder / "out").open("wb") as out:
        began = time.perf_counter()
        subprocess.run(command, env=environ_in(folder), stdout=out, check=True)
        took = time.perf_counter() - began
    assert (folder / "out").read_bytes().count(b"\n") == LINES
    return took


def lines_per_second(url: str, folder: Path, steps_a_second: int) -> float:
    """Return the lines a second that a handler pushes until the service has stored them."""
    command = [sys.executable, "-c", HANDLER, str(create_job(url)), url, str(folder), str(steps_a_second)]
    return LINES / float(subprocess.run(command, env=environ_in(folder), stdout=subprocess.PIPE, check=True).stdout)


def seconds_a_call(folder: Path) -> tuple[float, float]:
    """Return what a log call takes: of a handler whose service is away, and of one that writes to memory."""
    command = [sys.executable, "-c", CALLS, f"http://127.0.0.1:{free_port()}", str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    ours, reference = subprocess.run(command, env=environ_in(folder), check=True, **pipes).stdout.split()
    return float(ours), float(reference)


def main() -> None:
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, support.valkey(Path(name)) as redis_url:
        folder = Path(name)
        with support.logs_service(f"sqlite:///{folder}/logs.db", redis_url) as url:
            run = [sys.executable, "-m", "tunedeck_client.command", "run", "--logs-url", url, "--"]
            for what, pause, goal in (("a line each 0.1 ms", "1e-4", "≤ 1.2×"), ("nothing but lines", "0", "")):
                program = [sys.executable, "-c", PROGRAM, pause]
                pairs = [(seconds_of([*run, *program], folder), seconds_of(program, folder)) for _ in range(ROUNDS)]
                ours, reference = (statistics.median(times) for times in zip(*pairs, strict=True))
                Row(f"{LINES:,} lines under tunedeck run, {what}", ours, reference, goal, "s").print()
            rates = [(lines_per_second(url, folder, 20), lines_per_second(url, folder, 0)) for _ in range(ROUNDS)]
            ours, reference = (statistics.median(rate) for rate in zip(*rates, strict=True))
            Row("lines/s of a handler, with metrics / without", ours, reference, "≥ 0.97×", "lines/s").print()
        costs = [seconds_a_call(folder) for _ in range(ROUNDS)]
        ours, reference = (statistics.median(cost) * 1e6 for cost in zip(*costs, strict=True))
        Row("a log call while the service is away / logging.StreamHandler", ours, reference, "≤ 2×", "µs").print()


if __name__ == "__main__":
    main()
