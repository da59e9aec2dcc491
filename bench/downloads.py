"""MB/s of a model's ZIP against those of its files as S3 gives them; `python -m bench.downloads`.

Eight files of 512 MB, one client. The reference is the same bytes by their presigned links, one after another, on the
same way: through the same gateway, or straight from S3. ``--megabytes`` takes smaller files.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench import support
from bench.models import ModelsSystem, download, medians, models_system
from bench.support import Row

FILES = 8
ROUNDS = 5


def measure(system: ModelsSystem, megabytes: int) -> None:
    url = system.ready_model(FILES, megabytes * 10**6)
    named = system.named(url)
    linked, straight = system.links(url, system.gateway), system.links(url, system.store.endpoint)
    through, by_name, chunked, direct, reference = medians(
        ROUNDS,
        lambda: download(*linked)[0],
        lambda: download(system.gateway + named)[0],
        lambda: download(f"{system.gateway}{url}/download")[0],
        lambda: download(system.service + named)[0],
        lambda: download(*straight)[0],
    )
    what = f"ZIP of {FILES} × {megabytes} MB"
    Row(f"{what} through the gateway, by the named URL", by_name, through, "≥ 0.8×", "MB/s").print()
    Row(f"{what} through the gateway, by the chunked URL", chunked, through, "≥ 0.6×", "MB/s").print()
    Row(f"{what} from the service itself", direct, reference, "≥ 0.75×", "MB/s").print()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=512)
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, models_system(Path(name)) as system:
        measure(system, arguments.parse_args().megabytes)


if __name__ == "__main__":
    main()
