"""A single-line POST with a token, and with a job's token, against one where nobody is asked for any.

The services run side by side and are measured in turn, so that what else the machine does meets all of them; and by
the CPU that each takes, which other programs take nothing of.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from bench import support
from bench.delivery import LINE
from bench.support import Row
from run.token_file import add_token

ROUNDS = 15
SECONDS = 2
CONNECTIONS = 32
USERS = 20
"""Other entries in the file of tokens."""


def post_script(folder: Path, name: str, token: str | None) -> Path:
    script = folder / f"{name}.lua"
    lines = ["wrk.method = 'POST'", f'wrk.body = [[{{"level": "info", "message": "{LINE}", "source": "kernel"}}]]']
    headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    lines += [f"wrk.headers['{header}'] = '{value}'" for header, value in headers.items()]
    script.write_text("\n".join(lines))
    return script


def ask(url: str, token: str | None, path: str, body: Mapping[str, Any] | None = None) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{url}/api/v1{path}", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def main() -> None:
    support.pin(support.CLIENT_CORE)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        redis_url = running.enter_context(support.valkey(folder))
        tokens = folder / "tokens.toml"
        token = add_token(tokens, "kernel", ["write"], None)
        for number in range(USERS):
            add_token(tokens, f"user{number}", ["read"], None)
        settings = {"TOKENS_FILE": str(tokens), "AUTH_SECRET": "of the benchmark, and 32 bytes long"}
        anonymous, of_anonymous = running.enter_context(support.logs_running(f"sqlite:///{folder}/bare.db", redis_url))
        asking, of_asking = running.enter_context(
            support.logs_running(f"sqlite:///{folder}/asking.db", redis_url, **settings)
        )
        bare_job = ask(anonymous, None, "/jobs", {"dataset_id": 1})["ID"]
        job = ask(asking, token, "/jobs", {"dataset_id": 1})["ID"]
        of_job = ask(asking, token, f"/jobs/{job}/token")["token"]
        runs = {
            "bare": (anonymous, of_anonymous.pid, bare_job, post_script(folder, "bare", None)),
            "a token": (asking, of_asking.pid, job, post_script(folder, "token", token)),
            "a job's token": (asking, of_asking.pid, job, post_script(folder, "job", of_job)),
        }
        rates: dict[str, list[float]] = {what: [] for what in runs}
        of_cpu: dict[str, list[float]] = {what: [] for what in runs}
        for turn in range(ROUNDS):
            # None always has the place after another.
            for what, (url, pid, number, script) in sorted(runs.items(), reverse=turn % 2 == 1):
                address, used = f"{url}/api/v1/jobs/{number}/logs", support.cpu_s(pid)
                rate = support.requests_per_second(address, CONNECTIONS, SECONDS, "-s", str(script))
                rates[what].append(rate)
                of_cpu[what].append(rate * SECONDS / (support.cpu_s(pid) - used))
        for unit, measured in (("POSTs/s", rates), ("POSTs/s of CPU", of_cpu)):
            bare_ones = measured.pop("bare")
            reference = statistics.median(bare_ones)
            for what, found in measured.items():
                goal = "≥ 0.95×" if what == "a token" else ""
                ratio = statistics.median(ours / bare for ours, bare in zip(found, bare_ones, strict=True))
                Row(f"single-line {unit} with {what}", reference * ratio, reference, goal, unit).print()


if __name__ == "__main__":
    main()
