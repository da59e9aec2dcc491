"""MB/s of `tunedeck push` and `tunedeck pull`, against minio-py and curl; `python -m bench.push_pull`.

Four files of 256 MB, the command as a user starts it, through the gateway. The reference of push is minio-py that sends
the four files at once, straight to S3; that of pull is curl, which fetches the four presigned links at once through the
same gateway and writes them to the same disk. Both ways the command also computes a SHA-256 of every file, which curl
does not: beside it stands curl with a bare SHA-256 of what it wrote, all files at once.
``--megabytes`` takes smaller files. ``--gbit 2.5`` pulls alone, and lets the gateway send 2.5 Gbit/s at most, by the
token bucket of Linux (`tc`, as root): as between two machines.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio

from bench import support
from bench.models import ModelsSystem, medians, models_system
from bench.support import Row
from run import parts

FILES = 4
ROUNDS = 3
COMMAND = "import sys; from tunedeck_client.cli import main; sys.exit(main(sys.argv[1:]))"


def tunedeck(system: ModelsSystem, folder: Path, *arguments: str) -> None:
    environ = {
        **os.environ,
        "PYTHONPATH": str(parts.ROOT / "client"),
        "TUNEDECK_URL": system.gateway,
        "XDG_STATE_HOME": str(folder / "state"),
    }
    command = [sys.executable, "-c", COMMAND, *arguments]
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def rate(megabytes: int, transfer: Callable[[], object], *targets: Path) -> float:
    """Return MB/s of a transfer into folders that are removed before; what others wrote is on the disk by then."""
    for target in targets:
        shutil.rmtree(target, ignore_errors=True)
    os.sync()
    began = time.perf_counter()
    transfer()
    return FILES * megabytes / (time.perf_counter() - began)


def put_by_minio(client: Minio, files: list[Path]) -> None:
    def put(file: Path) -> None:
        client.fput_object(bucket_name="models", object_name=f"straight/{file.name}", file_path=str(file))

    with ThreadPoolExecutor(FILES) as pool:
        list(pool.map(put, files))


def get_by_curl(links: list[str], folder: Path) -> None:
    folder.mkdir()
    each = [word for number, link in enumerate(links) for word in ("-o", str(folder / str(number)), link)]
    subprocess.run(["curl", "-sS", "--no-progress-meter", "-f", "-Z", *each], check=True)


def verify(files: list[Path]) -> None:
    """Compute a SHA-256 of each file, all at once."""

    def read(file: Path) -> None:
        with file.open("rb") as opened:
            hashlib.file_digest(opened, "sha256")

    with ThreadPoolExecutor(FILES) as pool:
        list(pool.map(read, files))


@contextmanager
def link(gateway: str, gbit: float) -> Iterator[None]:
    """Let the gateway send at most so many Gbit/s over loopback; whatever else goes there is let through."""
    port = urlsplit(gateway).port
    traffic_control("qdisc add dev lo root handle 1: htb")
    try:
        traffic_control(f"class add dev lo parent 1: classid 1:1 htb rate {gbit}gbit burst 4mb")
        traffic_control(f"filter add dev lo parent 1: protocol ip u32 match ip sport {port} 0xffff flowid 1:1")
        yield
    finally:
        traffic_control("qdisc del dev lo root")


def traffic_control(command: str) -> None:
    subprocess.run(["tc", *command.split()], check=True)


def write_files(folder: Path, megabytes: int) -> list[Path]:
    folder.mkdir()
    files = [folder / f"{number}.safetensors" for number in range(FILES)]
    for file in files:
        file.write_bytes(os.urandom(megabytes * 10**6))
    return files


def compare_pushes(system: ModelsSystem, folder: Path, megabytes: int) -> None:
    source = folder / "source"
    files = write_files(source, megabytes)
    address = system.store.endpoint.removeprefix("http://")
    client = Minio(
        endpoint=address, access_key=system.store.access_key, secret_key=system.store.secret_key, secure=False
    )
    pushed, by_minio = medians(
        ROUNDS,
        lambda: rate(megabytes, lambda: tunedeck(system, folder, "push", str(source), "--base-model", "b")),
        lambda: rate(megabytes, lambda: put_by_minio(client, files)),
    )
    what = f"push of {FILES} × {megabytes} MB; minio-py, four files at once"
    Row(what, pushed, by_minio, "≥ 0.9×", "MB/s").print()


def compare_pulls(system: ModelsSystem, folder: Path, megabytes: int, over: str = "") -> None:
    target, by_curl_to = folder / "target", folder / "curl"
    model = system.ready_model(FILES, megabytes * 10**6)
    number, links = model.rpartition("/")[2], system.links(model, system.gateway)

    def get_and_verify() -> None:
        get_by_curl(links, by_curl_to)
        verify(list(by_curl_to.iterdir()))

    pulled, by_curl, verified = medians(
        ROUNDS,
        lambda: rate(megabytes, lambda: tunedeck(system, folder, "pull", number, str(target)), target),
        lambda: rate(megabytes, lambda: get_by_curl(links, by_curl_to), by_curl_to),
        lambda: rate(megabytes, get_and_verify, by_curl_to),
    )
    what = f"pull of {FILES} × {megabytes} MB{over}; curl, four links at once"
    Row(what, pulled, by_curl, "≥ 0.9×", "MB/s").print()
    Row("the same; curl, and a SHA-256 of each file", pulled, verified, "≥ 0.9×", "MB/s").print()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--megabytes", type=int, default=256)
    arguments.add_argument("--gbit", type=float)
    asked = arguments.parse_args()
    print(support.machine())
    with tempfile.TemporaryDirectory() as name, models_system(Path(name)) as system:
        folder = Path(name)
        if asked.gbit:
            with link(system.gateway, asked.gbit):
                compare_pulls(system, folder, asked.megabytes, f" over {asked.gbit:g} Gbit/s")
            return
        compare_pushes(system, folder, asked.megabytes)
        compare_pulls(system, folder, asked.megabytes)


if __name__ == "__main__":
    main()
