"""One model file by our ZIP and by MLflow's artifact proxy, over the same store; `python -m bench.mlflow_proxy`.

Both have two workers, and both send a file that they read from S3; a client gets each with curl.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench import support
from bench.models import download, medians, models_system
from bench.registries import install_mlflow, mlflow
from bench.support import Row

WORKERS = 2
ROUNDS = 5


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=256)
    megabytes = arguments.parse_args().megabytes
    print(support.machine(), "MLflow", install_mlflow(), f"{WORKERS} workers each")
    with tempfile.TemporaryDirectory() as name, models_system(Path(name), WORKERS) as system:
        url = system.ready_model(1, megabytes * 10**6)
        path = "files/000000.bin"
        ours = f"{system.service}{system.named(url)}?include={path}"
        with mlflow(Path(name), system.store, workers=WORKERS, prefix=url.rsplit("/", 1)[1]) as proxy:
            theirs = f"{proxy}/api/2.0/mlflow-artifacts/artifacts/{path}"
            download(ours)
            download(theirs)
            speed, reference = medians(ROUNDS, lambda: download(ours)[0], lambda: download(theirs)[0])
            first, reference_first = medians(ROUNDS, lambda: download(ours)[1], lambda: download(theirs)[1])
    Row(f"a file of {megabytes} MB by our ZIP, against MLflow's proxy", speed, reference, "≥ 2×", "MB/s").print()
    Row("its first byte", first * 1000, reference_first * 1000, "≤ 0.05×", "ms").print()


if __name__ == "__main__":
    main()
