"""The API documents, run as they stand: shell, Python and JavaScript, in their order, after the workflow ran once.

What is edited, and nothing else: the port; `-O` is `-OJ` where a sample goes on to use the server's file name; a fresh
evaluation stands in for evaluation 1 before what ends one (our worker is stopped meanwhile), and a spare model
for model 1 before `Delete Model`; the JavaScript runs up to `// Close connection`, its last line after the last event;
and, where the system asks for tokens, the header is added.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from run.parts import ROOT
from run.token_file import add_token
from tests.support.document import USERS, Sample, differences, documents, read_samples
from tests.support.system import System, start_system
from tests.support.waiting import wait_until

NODE_MODULES = Path(__file__).parents[2] / "node_modules"
SEPARATOR = "\x1e"
OPEN = ("pending", "running")
ENDING = ("Update Evaluation", "Report an evaluation", "Cancel an evaluation")

SHELL_PRELUDE = f"""
set -eo pipefail
curl() {{
    local token=() fail=(--fail-with-body)
    if [ -n "$TUNEDECK_TOKEN" ] && [[ "$*" == *@(/api/|/resolve/)* && "$*" != *Authorization* ]]; then
        token=(-H "Authorization: Bearer $TUNEDECK_TOKEN")
    fi
    if [[ " $*" == *" -f"* ]]; then fail=(); fi  # curl does not take both
    command curl --silent --show-error --max-time 60 "${{fail[@]}}" "${{token[@]}}" "$@" || return
    [ -p /dev/stdout ] || printf '{SEPARATOR}'
}}
"""


def environ_with(token: str | None) -> dict[str, str]:
    return {**os.environ, "TUNEDECK_TOKEN": token or ""}


def run_shell(text: str, folder: Path, token: str | None = None) -> list[str]:
    """Run a shell sample in a folder and return what each of its curls printed."""
    out = folder / f"out-{time.monotonic_ns()}.txt"
    with out.open("wb") as stdout:  # a file, so that the prelude can tell a curl that is piped on
        done = subprocess.run(
            ["bash", "-c", SHELL_PRELUDE + text],
            cwd=folder,
            env=environ_with(token),
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    printed = out.read_text(errors="replace")
    assert done.returncode == 0, f"{text}\n{printed}\n{done.stderr.decode()}"
    return printed.split(SEPARATOR)


class Walk:
    """One document against one system of its own."""

    def __init__(self, path: Path, system: System, folder: Path) -> None:
        self.path = path
        self.system = system
        self.folder = folder
        self.samples = read_samples(path)

    def shell(self, sample: Sample, replacements: dict[str, str]) -> list[str]:
        text = sample.at(self.system.url, self.system.token)
        for old, new in replacements.items():
            text = text.replace(old, new)
        return run_shell(text, self.folder, self.system.token)

    def run(self) -> None:
        answers: list[str] = []
        for sample in self.samples:
            self.wait_until_idle()
            if sample.language == "bash" and "Workflow" not in sample.name:
                answers = self.shell(sample, self.stand_ins(sample))
                self.system.resume_worker()
            elif sample.language == "json" and sample.label == "Response":
                self.compare(sample, answers)
            elif sample.label == "Response Headers":
                self.check_headers(sample)
            elif sample.label == "Response (Stream)":
                self.check_stream(answers[0])
            elif sample.language == "python":
                self.python(sample)
            elif sample.language == "javascript":
                self.javascript(sample)

    def stand_ins(self, sample: Sample) -> dict[str, str]:
        """Return the ids that a sample must not spend."""
        if any(title in sample.name for title in ENDING):
            return {"/evaluations/1": f"/evaluations/{self.fresh_evaluation()}"}
        if "Delete Model" in sample.name or "Delete a model" in sample.name:
            spare = self.system.request("POST", "/models", json={"name": "spare", "base_model": "example-base"})
            return {"/models/1": f"/models/{spare.json()['ID']}"}
        return {}

    def fresh_evaluation(self) -> int:
        """Make an evaluation that stays pending, for the worker is stopped until the sample has run."""
        self.system.stop_worker()
        body = {"test_set_path": "datasets/test_split.json"}
        created = self.system.request("POST", "/models/1/evaluate", json=body)
        assert created.status_code == 202, created.text
        return int(created.json()["evaluation_id"])

    def wait_until_idle(self) -> None:
        """Wait for the evaluations that a sample began: the next one may show them."""
        wait_until(lambda: not any(self.system.get(f"/evaluations?status={status}").json()["total"] for status in OPEN))

    def compare(self, expected: Sample, answers: list[str]) -> None:
        found = differences(expected.json(), json.loads(answers[0]))
        assert not found, f"{self.path.name}, {expected.name}: {found}\n{answers[0]}"

    def check_headers(self, sample: Sample) -> None:
        answer = self.system.get("/models/1/download")
        for row in sample.text.strip().splitlines():
            name, _, value = row.partition(": ")
            pattern = re.escape(value).replace("20240219", r"\d{8}")
            assert re.fullmatch(pattern, answer.headers[name]), f"{name}: {answer.headers[name]}"

    def check_stream(self, printed: str) -> None:
        lines = [line for line in printed.splitlines() if line.startswith("data: ")]
        assert lines
        assert all(re.match(r"data: \[\d\d:\d\d:\d\d\] \[(DEBUG|INFO|WARN|ERROR)\] ", line) for line in lines[:5])

    def python(self, sample: Sample) -> None:
        file = self.folder / "sample.py"
        file.write_text(sample.at(self.system.url, self.system.token))
        environ = environ_with(self.system.token)
        done = subprocess.run(
            [sys.executable, str(file)],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        if "iter_lines" in sample.text:
            messages = [line["message"] for line in self.system.get("/jobs/1/logs?limit=1000").json()["logs"]]
            assert all(message.splitlines()[0] in done.stdout for message in messages if message)

    def javascript(self, sample: Sample) -> None:
        text = sample.at(self.system.url, self.system.token)
        name = "EventSource" if self.system.token is None else "EventSource as BareEventSource"
        opened, _, closing = text.partition("// Close connection\n")
        stored = self.system.get("/jobs/1/logs?limit=1000").json()["logs"]
        (source,) = re.findall(r"const (\w+) = new EventSource", opened)
        script = f"""
            import {{ {name} }} from 'eventsource';
            const seen = [];
            console.log = (...words) => seen.push(words.join(' '));
            {opened}
            {source}.addEventListener('end', () => {{
                {closing}
                process.stdout.write(JSON.stringify(seen));
                process.exit(0);
            }});
        """
        file = NODE_MODULES / "tunedeck-sample.mjs"
        file.write_text(script)
        environ = environ_with(self.system.token)
        done = subprocess.run(
            ["node", str(file)], env=environ, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert len(seen) == len(stored)
        assert all(line["message"] in text for line, text in zip(stored, seen, strict=True))


@pytest.fixture(scope="module", params=["anonymous", "with tokens"])
def token_of(request):
    """Make a token for a system before it starts, or none."""
    if request.param == "anonymous":
        return lambda data_dir: None
    return lambda data_dir: add_token(data_dir / "tokens.toml", "reader-of-documents", ["read", "write"], None)


@pytest.fixture(scope="module", params=documents(), ids=lambda path: path.stem)
def walk(request, token_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("document")
    token = token_of(folder / "data")
    system = start_system(folder / "data")
    system.token = token
    (folder / "samples").mkdir()
    try:
        system.wait_until_ready()
        yield Walk(request.param, system, folder / "samples")
    finally:
        system.stop()


def run_workflow(walk: Walk) -> None:
    """Run the workflow: the users' document's shell lines as one script, or without that document the demo."""
    if not USERS.exists():
        environ = {**environ_with(walk.system.token), "PORT": str(walk.system.port)}
        subprocess.run([sys.executable, "-m", "run.demo"], cwd=ROOT, env=environ, timeout=120, check=True)
        return
    steps = [sample.text for sample in read_samples(USERS) if "Workflow" in sample.name]
    script = "\n".join(steps).replace("curl -O ", "curl -OJ ").replace("http://localhost:8080", walk.system.url)

    printed = "".join(run_shell(script, walk.folder, walk.system.token))

    assert "Created Job ID: 1" in printed
    assert "Job Status: completed" in printed
    assert "Model ID: 1" in printed
    assert "lora_adapters/adapter_model.safetensors" in printed
    assert "Evaluation ID: 1" in printed
    archive = next(walk.folder.glob("model-1-*.zip"))
    assert subprocess.run(["unzip", "-tq", str(archive)], check=False).returncode == 0


def test_the_workflow_and_then_every_sample_run_as_they_stand(walk):
    run_workflow(walk)
    wait_until(lambda: walk.system.get("/evaluations/1").json()["status"] == "completed")
    wait_until(lambda: walk.system.get("/models/1").json()["model"]["eval_results"])

    walk.run()
