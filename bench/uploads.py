"""MB/s of files uploaded through us, against minio-py straight to S3 and MLflow's proxy; `python -m bench.uploads`.

Four files of 256 MB, one after another, all three ways into the same store, in turns. We hash each file on the way
(CRC-32, SHA-256); minio-py sends three parts at once; MLflow passes on what curl sends, as we do. ``--megabytes`` takes
smaller files.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from minio import Minio

from bench import registries, support
from bench.support import Row
from run.parts import StoreServer

FILES = 4
ROUNDS = 3


def put(urls: list[str], files: list[Path]) -> None:
    """Send each file with a curl of its own, as a script would."""
    for url, file in zip(urls, files, strict=True):
        command = ["curl", "-sS", "--fail-with-body", "-o", "/dev/null", "-T", str(file), url]
        subprocess.run(command, check=True)


def put_straight(client: Minio, files: list[Path]) -> None:
    for file in files:
        client.fput_object(bucket_name="models", object_name=f"straight/{file.name}", file_path=str(file))


def new_model(service: str) -> str:
    """Create a model and return the URL of its files."""
    body, headers = json.dumps({"name": "Bench", "base_model": "b"}).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{service}/api/v1/models", body, headers)) as answer:
        return f"{service}/api/v1/models/{json.load(answer)['ID']}/files"


def rates(bytes_sent: int, *sends: Callable[[], None]) -> list[float]:
    """Return the median MB/s of each; they take turns, so that what slows the machine slows them all."""
    taken: list[list[float]] = [[] for _ in sends]
    for _ in range(ROUNDS):
        for times, send in zip(taken, sends, strict=True):
            began = time.perf_counter()
            send()
            times.append(bytes_sent / (time.perf_counter() - began) / 1e6)
    return [statistics.median(times) for times in taken]


def compare(folder: Path, server: StoreServer, megabytes: int) -> None:
    files = [folder / f"{number}.bin" for number in range(FILES)]
    for file in files:
        file.write_bytes(os.urandom(megabytes * 10**6))
    address = server.endpoint.removeprefix("http://")
    client = Minio(endpoint=address, access_key=server.access_key, secret_key=server.secret_key, secure=False)
    print(f"MLflow {registries.install_mlflow()}, one worker each")
    with (
        registries.models(f"sqlite:///{folder}/models.db", server) as service,
        registries.mlflow(folder, server) as mlflow,
    ):
        ours = [f"{new_model(service)}/{file.name}" for file in files]
        theirs = [f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/{file.name}" for file in files]
        through_us, straight, through_mlflow = rates(
            FILES * megabytes * 10**6,
            lambda: put(ours, files),
            lambda: put_straight(client, files),
            lambda: put(theirs, files),
        )
    what = f"upload of {FILES} × {megabytes} MB through us"
    Row(f"{what}; minio-py straight to S3", through_us, straight, "≥ 0.7×", "MB/s").print()
    Row(f"{what}; MLflow's proxy", through_us, through_mlflow, "≥ 1.5×", "MB/s").print()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=256)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, registries.store(Path(name) / "store") as server:
        compare(Path(name), server, arguments.parse_args().megabytes)


if __name__ == "__main__":
    main()
