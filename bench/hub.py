"""The Hub's client against us, beside static files and `tunedeck push`; `python -m bench.hub`.

huggingface_hub 2.4 in an environment of its own. It loads from us through the gateway, and the same repository from
files that another Caddy serves: the answers of the API are files there, too. Uploads are commands, as a user starts
them; downloads are timed within the client. ``--megabytes`` takes smaller files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench import support
from bench.models import ModelsSystem, medians, models_system
from bench.push_pull import FILES, rate, tunedeck
from bench.support import Row
from run import parts
from run.parts import Part
from run.settings import free_port
from tests.support.environment import installed

ROUNDS = 3
REQUIREMENTS = parts.ROOT / "tests/foreign/hub/huggingface_hub_2.txt"

LOAD = """
import sys, time
from huggingface_hub import snapshot_download
for _ in range(int(sys.argv[3])):
    began = time.perf_counter()
    snapshot_download(sys.argv[1], cache_dir=sys.argv[2])
    print(time.perf_counter() - began)
"""

STATIC = """{
    admin off
    auto_https off
    persist_config off
}
http://127.0.0.1:PORT {
    header X-Repo-Commit COMMIT
    root * FOLDER
    try_files {path}.json {path}
    file_server
}
"""


class Client:
    """The client and where its caches are."""

    def __init__(self, folder: Path) -> None:
        self.python = installed(REQUIREMENTS)
        self._folder = folder

    def run(self, endpoint: str, *command: object) -> str:
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
        own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(self._folder / "home")}
        environ = os.environ | quiet | own
        done = subprocess.run(list(map(str, command)), env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return done.stdout

    def load(self, endpoint: str, repo_id: str, *, times: int = 1) -> float:
        """Load a repository so many times into a cache that was empty; returns the seconds of the last one."""
        cache = self._folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        printed = self.run(endpoint, self.python, "-c", LOAD, repo_id, cache, times)
        return float(printed.splitlines()[-1])

    def upload(self, endpoint: str, repo_id: str, folder: Path) -> None:
        self.run(endpoint, self.python.parent / "hf", "upload", repo_id, folder)


def get_json(url: str) -> object:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def make_static(system: ModelsSystem, repo_id: str, folder: Path) -> str:
    """Write a repository as files, the API's answers among them, and return its commit."""
    info = get_json(f"{system.gateway}/api/models/{repo_id}")
    assert isinstance(info, dict)
    commit = str(info["sha"])
    tree: list[object] = []
    url: str | None = f"{system.gateway}/api/models/{repo_id}/tree/{commit}?recursive=true"
    while url:
        with urllib.request.urlopen(url, timeout=60) as answer:
            tree += json.load(answer)
            url = (answer.headers.get("Link") or "").partition("<")[2].partition(">")[0] or None
    api = folder / "api/models" / repo_id
    for path, content in (
        (f"{api}.json", info),
        (f"{api}/revision/main.json", info),
        (f"{api}/tree/{commit}.json", tree),
    ):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(content))
    for sibling in info["siblings"]:
        target = folder / repo_id / "resolve" / commit / sibling["rfilename"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(f"{system.gateway}/{repo_id}/resolve/main/{sibling['rfilename']}") as source:
            with target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
    return commit


def static_server(folder: Path, commit: str) -> tuple[str, Part]:
    port = free_port()
    config = folder / "Caddyfile"
    config.write_text(
        STATIC.replace("PORT", str(port)).replace("COMMIT", commit).replace("FOLDER", str(folder / "www"))
    )
    caddy = parts.caddy(None, folder / "caddy", ["127.0.0.1"], port, {}, ())
    command = [*caddy.command[:3], str(config), *caddy.command[4:]]
    return f"http://127.0.0.1:{port}", Part("static", command, caddy.environ, (), caddy.ready_url)


def compare_downloads(system: ModelsSystem, client: Client, folder: Path, files: int, size: int, goal: str) -> None:
    model = system.ready_model(files, size)
    repo_id = f"tunedeck/model-{model.rpartition('/')[2]}"
    place = folder / f"static-{files}"
    commit = make_static(system, repo_id, place / "www")
    url, server = static_server(place, commit)
    total = files * size / 1e6
    with support.running(server, None):
        ours, static = medians(
            ROUNDS,
            lambda: total / client.load(system.gateway, repo_id),
            lambda: total / client.load(url, repo_id),
        )
        what = f"{files:,} × {size / 1e6:g} MB"
        Row(f"snapshot_download of {what}; static files of Caddy", ours, static, goal, "MB/s").print()
        cached, cached_static = medians(
            ROUNDS,
            lambda: 1000 * client.load(system.gateway, repo_id, times=2),
            lambda: 1000 * client.load(url, repo_id, times=2),
        )
        Row(f"cached {what}, asked again; static files", cached, cached_static, "≤ 2×", "ms").print()
    shutil.rmtree(place)


def compare_uploads(system: ModelsSystem, client: Client, folder: Path, megabytes: int) -> None:
    source = folder / "source"
    source.mkdir()
    numbers = iter(range(1000))

    def fresh(push: Callable[[], None]) -> float:
        for number in range(FILES):  # what is there already would not be sent
            (source / f"{number}.safetensors").write_bytes(os.urandom(megabytes * 10**6))
        return rate(megabytes, push)

    pushed, by_command = medians(
        ROUNDS,
        lambda: fresh(lambda: client.upload(system.gateway, f"bench/{next(numbers)}", source)),
        lambda: fresh(lambda: tunedeck(system, folder, "push", str(source), "--base-model", "b")),
    )
    Row(f"hf upload of {FILES} × {megabytes} MB; tunedeck push", pushed, by_command, "≥ 0.8×", "MB/s").print()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=256)
    megabytes = arguments.parse_args().megabytes
    print(support.machine(), time.strftime("%Y-%m-%d"))
    with tempfile.TemporaryDirectory() as name, models_system(Path(name)) as system:
        client = Client(Path(name))
        compare_downloads(system, client, Path(name), FILES, megabytes * 10**6, "≥ 0.9×")
        compare_downloads(system, client, Path(name), 1000, 10_000, "≥ 0.7×")
        compare_uploads(system, client, Path(name), megabytes)


if __name__ == "__main__":
    main()
