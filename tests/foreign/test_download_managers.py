"""Downloads that live through kill -9 of the gateway, of the models service and of S3, by whatever resumes them"""

import hashlib
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

from tests.foreign.chromium import Chromium
from tests.support.pipe import Pipe
from tests.support.system import start_system
from tests.support.waiting import wait_until

FILES = {"lora_adapters/a.bin": 30_000_000, "gguf/b.gguf": 30_000_000, "c": 5}
STAGE = 10_000_000
"""Each client has had so many bytes more, and waits for the next ones, when something is killed."""

BUFFER = 65_536
WITHIN_S = 180
VICTIMS = ("caddy run", "services.models.app", "weed -logtostderr=true mini")
"""What is killed, by words of its command line. The gateway is the first: what it had to send, but for some 4 MB that
the kernel has of it, is lost to each connection of each client; a read of S3 that breaks is no client's concern."""


def repeat(folder, *command):
    """Run a program, as someone would, until it is content; return how often it was interrupted."""
    deadline = time.monotonic() + WITHIN_S
    interruptions = 0
    while subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, command
        time.sleep(0.5)  # as someone who tries again
        interruptions += 1
    return interruptions


def curl(folder, url):
    return repeat(folder, "curl", "-sSf", "-C", "-", "-O", url)


def wget(folder, url):
    return repeat(folder, "wget", "-q", "-c", "-t", "1", url)


def aria2(folder, url):
    options = ["-q", "-c", "-x4", "-s4", "-k1M", "--auto-file-renaming=false", "--max-tries=1"]
    repeat(folder, "aria2c", *options, "--log-level=debug", f"--log={folder}.log", url)
    # It goes on as long as one of its connections lives, so its runs say less than its log.
    return aria2_log(folder).count("Download aborted. URI=")


def aria2_log(folder):
    return folder.with_suffix(".log").read_text(errors="replace")


def python_requests(folder, url):
    """A loop as it stands in many scripts: Range from what there is, If-Range with the first answer's ETag."""
    deadline = time.monotonic() + WITHIN_S
    path = folder / url.rsplit("/", 1)[1]
    headers, interruptions = {}, 0
    while time.monotonic() < deadline:
        headers["Range"] = f"bytes={path.stat().st_size if path.exists() else 0}-"
        try:
            with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
                answer.raise_for_status()
                headers["If-Range"] = answer.headers["ETag"]
                with path.open("ab" if answer.status_code == 206 else "wb") as file:
                    for chunk in answer.iter_content(65536):
                        file.write(chunk)
            return interruptions
        except requests.RequestException:
            interruptions += 1
            time.sleep(0.5)  # as someone who tries again
    raise AssertionError("the download did not end")


def chromium(folder, url):
    browser = Chromium(folder)
    try:
        browser.download(url, WITHIN_S)
    finally:
        browser.close()
    return browser.interruptions


CLIENTS = {"curl -C -": curl, "wget -c": wget, "aria2c -x4": aria2, "requests": python_requests, "Chromium": chromium}


@contextmanager
def running_system(folder):
    """Give a system that has nothing to do but to serve files."""
    system = start_system(folder / "data", EXAMPLE_KERNEL="0", EVALUATION_WORKER="0")
    try:
        system.wait_until_ready()
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    """Each client's folder, and how often it was interrupted; all download at once, while the parts are killed."""
    folder = tmp_path_factory.mktemp("managers")
    with running_system(folder) as system:
        path = make_model(system)
        whole = system.get(path)
        assert whole.status_code == 200
        with ThreadPoolExecutor(len(CLIENTS)) as pool:
            interruptions, pipes = {}, []
            for name, client in CLIENTS.items():
                own = folder / re.sub("[^a-z0-9]", "", name.lower())
                own.mkdir()
                pipes.append(Pipe(f"127.0.0.1:{system.port}", BUFFER))
                pipes[-1].hang_in_answer(STAGE)
                url = f"http://127.0.0.1:{pipes[-1].port}/api/v1{path}"
                interruptions[name] = own, pool.submit(client, own, url)
            kill_all(system, pipes)
        yield hashlib.sha256(whole.content).digest(), path.rsplit("/", 1)[1], interruptions


def make_model(system):
    """Return the path of the named archive of a new model."""
    model = system.request("POST", "/models", json={"name": "Large", "base_model": "b"}).json()
    url = f"/models/{model['ID']}"
    for path, size in FILES.items():
        assert system.request("PUT", f"{url}/files/{path}", data=os.urandom(size)).status_code == 200
    assert system.request("PUT", url, json={"status": "ready"}).status_code == 200
    archive = system.get(url).json()["download_links"]["archive"]
    return f"{url}/download/{archive.rsplit('/', 1)[1]}"


def kill_all(system, pipes):
    """Kill one after the other, each when every client waits in the midst of the archive."""
    try:
        for words in VICTIMS:
            wait_until(lambda: all(pipe.hangs for pipe in pipes), WITHIN_S)
            for pid in system.processes(words):
                os.kill(pid, signal.SIGKILL)
            for pipe in pipes:
                pipe.mend()
                pipe.hang_in_answer(STAGE)
    finally:
        for pipe in pipes:
            pipe.mend()


@pytest.mark.parametrize("client", CLIENTS)
def test_it_resumes_and_the_file_is_the_same(downloads, client):
    digest, name, done = downloads
    folder, interruptions = done[client]
    assert interruptions.result() > 0  # or this shows nothing
    files = [found for found in folder.rglob(name) if found.is_file()]
    assert [hashlib.sha256(found.read_bytes()).digest() for found in files] == [digest]


def test_aria2_fetches_four_parts_at_once(downloads):
    folder, _ = downloads[2]["aria2c -x4"]
    ranges = set(re.findall("Range: bytes=([0-9]+)-", aria2_log(folder)))
    assert len(ranges) >= 3


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A running system, and a model whose archive has become another one since half of it was fetched."""
    folder = tmp_path_factory.mktemp("changed")
    with running_system(folder) as system:
        path = make_model(system)
        whole = system.get(path).content
        url = path.partition("/download")[0]
        # Ready again, with another file; what a client has of the first archive is a part of no archive now.
        assert system.request("PUT", url, json={"status": "uploading"}).status_code == 200
        assert system.request("PUT", f"{url}/files/first", data=os.urandom(1_000_000)).status_code == 200
        assert system.request("PUT", url, json={"status": "ready"}).status_code == 200
        yield system, path, whole


RESUME = {
    "curl": ["curl", "-sSf", "-C", "-", "-o", "m.zip"],
    "wget": ["wget", "-q", "-c", "-t", "1", "-O", "m.zip"],
    "aria2c": [
        "aria2c",
        "-q",
        "-c",
        "--allow-overwrite=false",
        "--auto-file-renaming=false",
        "--max-tries=1",
        "-o",
        "m.zip",
    ],
}


@pytest.mark.parametrize("client", RESUME)
@pytest.mark.parametrize("address", ["chunked", "named", "pinned"])
def test_it_never_splices_two_archives(changed, tmp_path, client, address):
    """The first half was fetched before a change, or before the checksums were known: that is no half of this one."""
    system, path, whole = changed
    half = whole[: len(whole) // 2]
    (tmp_path / "m.zip").write_bytes(half)
    chunked = path.rsplit("/", 1)[0]
    named = re.sub("-[0-9a-f]{12}[.]zip$", ".zip", path)
    url = f"{system.url}/api/v1{ {'chunked': chunked, 'named': named, 'pinned': path}[address] }"
    done = subprocess.run([*RESUME[client], url], cwd=tmp_path, capture_output=True, check=False)
    kept = (tmp_path / "m.zip").read_bytes()
    if done.returncode == 0:
        assert kept == system.get(chunked).content
    else:  # aria2 has made room for the rest, and its control file says that this is not there
        assert kept.rstrip(b"\0") == half.rstrip(b"\0")


SINGLE = {
    "wget --spider": (["wget", "-q", "--spider"], False),
    "wget": (["wget", "-q", "-O", "m"], True),
    "aria2c": (["aria2c", "-q", "-x4", "-s4", "-k1M", "-o", "m"], True),
    "curl": (["curl", "-sSf", "-r", "0-", "-o", "m"], True),
}


@pytest.mark.parametrize("client", SINGLE)
def test_a_presigned_link_opens(system, tmp_path, client):
    """As it stands, and with the escapes that some programs take out of it; some of them ask HEAD first."""
    content = os.urandom(5_000_000)
    model = system.request("POST", "/models", json={"name": "linked", "base_model": "b"}).json()["ID"]
    path = f"/models/{model}"
    assert system.request("PUT", f"{path}/files/gguf/a%3B b.gguf", data=content).status_code == 200
    assert system.request("PUT", path, json={"status": "ready"}).status_code == 200
    link = system.get(path).json()["download_links"]["gguf"]
    assert "X-Amz-Signature" in link
    command, writes = SINGLE[client]

    for url in (link, link.replace("%3B", ";")):
        subprocess.run([*command, url], cwd=tmp_path, check=True, timeout=60)
        if writes:
            assert (tmp_path / "m").read_bytes() == content
            (tmp_path / "m").unlink()
