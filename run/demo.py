"""`make demo`: the seven steps of the workflow, from a job to its evaluation, against the running system.

Each step is a shell command if curl and jq are installed, else the same request made by Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from run.settings import gateway_url
from shared.settings import exit_on, load

POLL_S = 1.0
GIVE_UP_AFTER_S = 120.0


@dataclass(frozen=True)
class DemoSettings:
    port: int = 8080
    gateway_site: str | None = None
    tunedeck_token: str | None = None


class Failed(Exception):
    """A step failed; the message says why."""


class Shell:
    """Makes the requests with curl and jq, and prints each command; not the token, which the shell fills in."""

    name = "curl and jq"

    def __init__(self, token: str | None) -> None:
        self._curl = "curl" if token is None else 'curl -H "Authorization: Bearer $TUNEDECK_TOKEN"'

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        line = f"{self._curl} -sS --fail-with-body -X {method} '{url}'"
        if body is not None:
            line += f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
        return json.loads(self._run(f"{line} | jq ."))

    def stream(self, url: str) -> None:
        line = f"{self._curl} -sSN '{url}'"
        print(f"$ {line}", flush=True)
        subprocess.run(line, shell=True, check=True)

    def download(self, url: str, folder: Path) -> Path:
        self._run(f"cd '{folder}' && {self._curl} -sS --fail-with-body -OJ '{url}'")
        return next(folder.iterdir())

    def _run(self, line: str) -> str:
        print(f"$ {line}", flush=True)
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"], stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise Failed(done.stdout or f"exit code {done.returncode}")
        return done.stdout


class Plain:
    """Makes the same requests with the standard library."""

    name = "plain Python (curl and jq are not both here)"

    def __init__(self, token: str | None) -> None:
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        print(f"> {method} {url} {'' if body is None else json.dumps(body)}", flush=True)
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, self._headers | headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def stream(self, url: str) -> None:
        print(f"> GET {url}", flush=True)
        with urllib.request.urlopen(urllib.request.Request(url, headers=self._headers), timeout=60) as response:
            for line in response:
                print(line.decode().rstrip("\n"), flush=True)

    def download(self, url: str, folder: Path) -> Path:
        print(f"> GET {url}", flush=True)
        with urllib.request.urlopen(urllib.request.Request(url, headers=self._headers), timeout=60) as response:
            name = response.headers.get_filename() or "model.zip"
            with (folder / Path(name).name).open("wb") as file:
                shutil.copyfileobj(response, file)
        return folder / Path(name).name


def main() -> None:
    settings = load(DemoSettings)
    base = f"{gateway_url(settings.gateway_site, settings.port)}/api/v1"
    have_both = shutil.which("curl") and shutil.which("jq") and shutil.which("bash")
    token = settings.tunedeck_token
    client = Shell(token) if have_both and os.name == "posix" else Plain(token)
    print(f"Against {base}, with {client.name}.")
    try:
        _walk(client, base)
    except HTTPError as error:
        sys.exit(f"error: {error}: {error.read().decode(errors='replace')}")
    except (Failed, URLError) as error:
        sys.exit(f"error: {error}\nIs `make run` running? Where it asks for tokens, set TUNEDECK_TOKEN.")


def _walk(client: Shell | Plain, base: str) -> None:
    _title("1. Create a job")
    job = _show(client.ask("POST", f"{base}/jobs", {"dataset_id": 1, "configuration": {"epochs": 3}}))
    _title("2. Watch its log")
    client.stream(f"{base}/jobs/{job['ID']}/logs")
    _title("3. Check the job's status")
    job = _show(client.ask("GET", f"{base}/jobs/{job['ID']}"))
    if job["status"] != "completed":
        raise Failed(f"the job is {job['status']}")
    _title("4. Find the model that it made")
    model = client.ask("GET", f"{base}/models?job_id={job['ID']}")["data"][0]
    _show({name: model[name] for name in ("ID", "name", "base_model", "training_metrics", "status", "total_size")})
    _title("5. Download the model")
    with tempfile.TemporaryDirectory() as folder:
        archive = client.download(f"{base}/models/{model['ID']}/download", Path(folder))
        print(archive.name)
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                print(f"  {entry.file_size:>9}  {entry.filename}")
    _title("6. Evaluate it against its base")
    wanted = {"test_set_path": "datasets/test_split.json"}
    evaluation = _show(client.ask("POST", f"{base}/models/{model['ID']}/evaluate", wanted))
    _title("7. Get the results")
    _show_figures(_wait(client, f"{base}/evaluations/{evaluation['evaluation_id']}"))


def _wait(client: Shell | Plain, url: str) -> Any:
    deadline = time.monotonic() + GIVE_UP_AFTER_S
    while True:
        evaluation = client.ask("GET", url)
        print(f"Status: {evaluation['status']}")
        if evaluation["status"] in ("completed", "failed"):
            return evaluation
        if time.monotonic() > deadline:
            raise Failed(f"the evaluation is still {evaluation['status']} after {GIVE_UP_AFTER_S:.0f} s")
        time.sleep(POLL_S)


def _show_figures(evaluation: Any) -> None:
    if evaluation["status"] == "failed":
        raise Failed(f"the evaluation failed: {evaluation['error']}")
    results = evaluation["results"]
    print(f"\n{'':12}{evaluation['base_model_name']:>24}{evaluation['fine_tuned_name']:>24}{'change':>10}")
    for name in ("accuracy", "precision", "recall", "f1_score"):
        base, tuned = results["base_model"][name], results["fine_tuned"][name]
        print(f"{name:12}{base:>24}{tuned:>24}{results['improvement'][f'{name}_delta'] or '-':>10}")


def _title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _show(value: Any) -> Any:
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)
    return value


if __name__ == "__main__":
    with exit_on():
        main()
