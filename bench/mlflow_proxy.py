"""One model file by our ZIP and by MLflow's artifact proxy, over the same store; `python -m bench.mlflow_proxy`.

MLflow is installed into a folder of its own first (some hundred MB from the package index). Both have two workers, and
both send a file that they read from S3; a client gets each with curl.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import support
from bench.models import ModelsSystem, download, medians, models_system
from bench.support import Row
from run.parts import Part
from run.settings import free_port

WORKERS = 2
ROUNDS = 5
MLFLOW = "mlflow==3.17.2"


def install(folder: Path) -> Path:
    """Return MLflow's program, installed below ``folder``."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", MLFLOW, "boto3"], check=True)
    return folder / "bin" / "mlflow"


@contextlib.contextmanager
def mlflow_proxy(program: Path, folder: Path, system: ModelsSystem, prefix: str) -> Iterator[str]:
    """Run MLflow's server over ``prefix`` of the bucket; gives the URL below which it has the artifacts."""
    port = free_port()
    command = [str(program), "server", "--serve-artifacts", "--workers", str(WORKERS)]
    command += ["--artifacts-destination", f"s3://models/{prefix}", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    environ = {
        "AWS_ACCESS_KEY_ID": system.store.access_key,
        "AWS_SECRET_ACCESS_KEY": system.store.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": system.store.endpoint,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
    }
    with support.running(Part("mlflow", command, environ, ready_url=f"http://127.0.0.1:{port}/health"), None):
        yield f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=256)
    arguments.add_argument("--mlflow", type=Path, help="the program, where it is installed already")
    given = arguments.parse_args()
    megabytes = given.megabytes
    print(support.machine(), MLFLOW, f"{WORKERS} workers each")
    with tempfile.TemporaryDirectory() as name, models_system(Path(name), WORKERS) as system:
        url = system.ready_model(1, megabytes * 10**6)
        path = "files/000000.bin"
        ours = f"{system.service}{system.named(url)}?include={path}"
        program = given.mlflow or install(Path(name) / "mlflow")
        with mlflow_proxy(program, Path(name), system, url.rsplit("/", 1)[1]) as artifacts:
            theirs = f"{artifacts}/{path}"
            download(ours)
            download(theirs)
            speed, reference = medians(ROUNDS, lambda: download(ours)[0], lambda: download(theirs)[0])
            first, reference_first = medians(ROUNDS, lambda: download(ours)[1], lambda: download(theirs)[1])
    Row(f"a file of {megabytes} MB by our ZIP, against MLflow's proxy", speed, reference, "≥ 2×", "MB/s").print()
    Row("its first byte", first * 1000, reference_first * 1000, "≤ 0.05×", "ms").print()


if __name__ == "__main__":
    main()
