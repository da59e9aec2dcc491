"""`download_model` and `download_archive`: a ready model comes down whole and verified, or not at all."""

import fcntl
import hashlib
import os
import signal
import zipfile
from pathlib import Path

import pytest
from tunedeck_client.errors import BadFolder, NotFound, TunedeckError, Unreachable
from tunedeck_client.models.download import download_archive, download_model
from tunedeck_client.models.upload import upload_model

from run.settings import free_port
from tests.client.models.conftest import files_of, write_tree
from tests.support.waiting import wait_until

DOWNLOAD = """
import sys
from tunedeck_client.models.download import download_model
print(len(download_model(int(sys.argv[1]), sys.argv[2], url=sys.argv[3])))
"""
NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))"
BIG = 24 * 2**20


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def content():
    return {"adapter_model.safetensors": os.urandom(BIG), "tokenizer.json": b"{}", "deep/er/x.bin": os.urandom(5000)}


@pytest.fixture(scope="module")
def model(system, content, tmp_path_factory):
    """A ready model whose checksums are all known."""
    folder = tmp_path_factory.mktemp("pulled")
    write_tree(folder, {**content, "m.gguf": b""})
    made = upload_model(folder, url=system.url, base_model="llama-3.2-3b")
    wait_until(lambda: all(file["sha256"] for file in files_of(system, made["ID"]).values()))
    return made["ID"]


def read_tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_works(system, model, content, tmp_path):
    written = download_model(model, tmp_path / "out", url=system.url)

    found = read_tree(tmp_path / "out")
    assert found == {f"lora_adapters/{path}": data for path, data in content.items()} | {"gguf/m.gguf": b""}
    assert len(written) == 4


def test_straight_after_the_upload_it_waits_for_the_checksums(system, make_folder, tmp_path):
    made = upload_model(make_folder({"a.bin": bytes(BIG)}, name="hurried"), url=system.url)
    download_model(made["ID"], tmp_path / "out", url=system.url)
    assert (tmp_path / "out/lora_adapters/a.bin").stat().st_size == BIG


def test_what_is_there_is_not_fetched_again(pipe, model, tmp_path):
    download_model(model, tmp_path / "out", url=pipe.url)
    (tmp_path / "out/lora_adapters/tokenizer.json").unlink()
    before = pipe.passed
    seen = []

    download_model(model, tmp_path / "out", url=pipe.url, on_progress=lambda *progress: seen.append(progress))

    assert pipe.passed - before < 20_000
    sizes = {path: size for path, _, size in seen}
    assert {path: done for path, done, _ in seen} == sizes


def test_what_was_changed_here_is_refused_unless_asked_for(system, model, content, tmp_path):
    folder = tmp_path / "out"
    download_model(model, folder, url=system.url)
    (folder / "lora_adapters/tokenizer.json").write_bytes(b"my own")
    (folder / "lora_adapters/deep/er/x.bin").unlink()

    with pytest.raises(BadFolder, match=r"tokenizer\.json is there already"):
        download_model(model, folder, url=system.url)
    assert not (folder / "lora_adapters/deep/er/x.bin").exists(), "nothing is begun that will not be ended"

    download_model(model, folder, url=system.url, overwrite=True)
    assert (folder / "lora_adapters/tokenizer.json").read_bytes() == content["tokenizer.json"]


def test_killed_in_the_middle_it_fetches_no_byte_twice(pipe, model, content, tmp_path, start_python):
    folder = tmp_path / "out"
    part = folder / "lora_adapters/adapter_model.safetensors.part"
    pipe.cut_once(8 * 2**20)
    killed = start_python(DOWNLOAD, model, folder, pipe.url)
    wait_until(lambda: part.exists() and part.stat().st_size > 2**20)
    killed.kill()
    killed.communicate()
    pipe.mend()
    wait_until(lambda: pipe.connected == 0)
    have, before = part.stat().st_size, pipe.passed

    out, err = start_python(DOWNLOAD, model, folder, pipe.url).communicate(timeout=60)

    assert out.strip() == "4", err
    assert pipe.passed - before < BIG - have + 40_000
    found = (folder / "lora_adapters/adapter_model.safetensors").read_bytes()
    assert (sha256(found), part.exists()) == (sha256(content["adapter_model.safetensors"]), False)


def test_connections_that_break_are_gone_on_with(pipe, model, content, tmp_path):
    pipe.cut(after=3 * 2**20)

    download_model(model, tmp_path / "out", url=pipe.url)

    assert (
        read_tree(tmp_path / "out")["lora_adapters/adapter_model.safetensors"] == content["adapter_model.safetensors"]
    )
    assert pipe.passed < BIG + 2**20


def test_a_part_of_another_file_is_noticed(system, model, content, tmp_path):
    part = tmp_path / "out/lora_adapters/adapter_model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(os.urandom(5 * 2**20))
    (part.parent / "tokenizer.json.part").write_bytes(b"longer than the file")

    download_model(model, tmp_path / "out", url=system.url)

    found = read_tree(tmp_path / "out")
    assert found["lora_adapters/adapter_model.safetensors"] == content["adapter_model.safetensors"]
    assert not any(path.endswith(".part") for path in found)


def test_a_full_disk_is_told_and_then_gone_on_with(system, model, tmp_path, start_python):
    full = start_python(f"{NO_ROOM}\n{DOWNLOAD}", model, tmp_path / "out", system.url)
    _, err = full.communicate(timeout=30)
    assert full.returncode == 1
    assert "adapter_model.safetensors.part: File too large" in err
    assert len(download_model(model, tmp_path / "out", url=system.url)) == 4


def test_two_at_once_do_not_write_one_file(system, model, tmp_path):
    part = tmp_path / "out/lora_adapters/adapter_model.safetensors.part"
    part.parent.mkdir(parents=True)
    with part.open("wb") as another:
        fcntl.flock(another, fcntl.LOCK_EX)
        with pytest.raises(BadFolder, match="by another process"):
            download_model(model, tmp_path / "out", url=system.url)
    assert len(download_model(model, tmp_path / "out", url=system.url)) == 4


@pytest.mark.parametrize(
    "path",
    [
        "../out.bin",
        "/etc/out.bin",
        "a/../../out.bin",
        "a//b",
        "c:\\out.bin",
        "a\0b",
        ".",
        "",
        "nul",
        "a/\ud800",
        "x" * 300,
    ],
)
def test_a_hostile_path_writes_nothing(fake_api, tmp_path, path):
    fake_api.has_model(("good.bin", b"x", sha256(b"x")), (path, b"x", sha256(b"x")))
    with pytest.raises(BadFolder, match="cannot be written"):
        download_model(1, tmp_path / "a/out", url=fake_api.url)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == []


def test_a_link_out_of_the_folder_is_not_followed(system, model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/lora_adapters").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFolder, match="outside of"):
        download_model(model, tmp_path / "out", url=system.url)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_part_that_is_a_link_is_not_followed(system, model, tmp_path):
    (tmp_path / "out/gguf").mkdir(parents=True)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "out/gguf/m.gguf.part").symlink_to(tmp_path / "mine")
    with pytest.raises(BadFolder, match="is a link"):
        download_model(model, tmp_path / "out", url=system.url)
    assert (tmp_path / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize(("said", "why"), [(b"what it is said to be", "another SHA-256"), (b"short", "longer than")])
def test_it_rejects_content_that_is_not_what_the_service_says(fake_api, tmp_path, said, why):
    content = b"what it is not, sadly"
    fake_api.has_model(("a.bin", said, sha256(said)))
    fake_api.answers["/models/0"] = content
    with pytest.raises(BadFolder, match=why):
        download_model(1, tmp_path / "out", url=fake_api.url, patience=0.1)
    assert read_tree(tmp_path / "out") == {}


def test_a_file_called_like_anothers_part_is_itself(fake_api, tmp_path):
    fake_api.has_model(("a", b"aaa", sha256(b"aaa")), ("a.part", b"p", sha256(b"p")))
    download_model(1, tmp_path / "out", url=fake_api.url)
    assert read_tree(tmp_path / "out") == {"a": b"aaa", "a.part": b"p"}


def test_a_file_that_the_service_knows_to_be_wrong_is_told(fake_api, tmp_path):
    fake_api.has_model(("a", b"aaa", sha256(b"aaa")))
    fake_api.answers["/api/v1/models/1/files"]["data"][0] |= {"error": "It is not what was announced.", "url": None}
    with pytest.raises(TunedeckError, match="a: It is not what was announced"):
        download_model(1, tmp_path / "out", url=fake_api.url)


def test_the_token_goes_to_the_api_and_to_no_presigned_link(fake_api, tmp_path):
    fake_api.has_model(("a", b"aaa", sha256(b"aaa")))
    download_model(1, tmp_path / "out", url=fake_api.url, token="secret")
    assert {token for path, _, token in fake_api.asked if path.startswith("/api/")} == {"Bearer secret"}
    assert {token for path, _, token in fake_api.asked if "X-Amz" in path} == {None}


def test_it_rejects_models_that_cannot_be_had(system, tmp_path):
    with pytest.raises(NotFound):
        download_model(999_999, tmp_path / "out", url=system.url)
    fresh = system.request("POST", "/models", json={"name": "n", "base_model": "b"}).json()
    with pytest.raises(TunedeckError, match="is uploading, not ready"):
        download_model(fresh["ID"], tmp_path / "out", url=system.url)
    with pytest.raises(Unreachable):
        download_model(1, tmp_path / "out", url=f"http://127.0.0.1:{free_port()}", patience=0)


def test_a_service_that_restarts_in_the_middle_is_waited_for(system, model, tmp_path):
    killed = []

    def kill(path, done, size):
        if not killed:
            killed.extend(system.processes("services.models.app") + system.processes("caddy"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    assert len(download_model(model, tmp_path / "out", url=system.url, on_progress=kill)) == 4
    assert killed


def test_the_archive_is_verified_and_gone_on_with(system, model, content, tmp_path):
    path = download_archive(model, tmp_path, url=system.url)
    with zipfile.ZipFile(path) as archive:
        assert archive.read(f"{model}/lora_adapters/tokenizer.json") == b"{}"
        assert f"{model}/SHA256SUMS" in archive.namelist()
    whole = (tmp_path / os.path.basename(path)).read_bytes()
    os.rename(path, f"{path}.part")
    os.truncate(f"{path}.part", 1_000_000)

    assert download_archive(model, tmp_path, url=system.url) == path
    assert sha256(Path(path).read_bytes()) == sha256(whole)


def test_an_archive_that_is_there_is_verified_and_not_fetched_again(pipe, model, tmp_path):
    path = Path(download_archive(model, tmp_path, url=pipe.url))
    before, whole, present = pipe.passed, path.read_bytes(), []
    assert download_archive(model, tmp_path, url=pipe.url, on_present=present.append) == str(path)
    assert present == [str(path)]
    assert pipe.passed - before < 20_000

    for other in (b"mine", whole[:-1], whole[:5_000_000] + b"damaged" + whole[5_000_007:], bytes(len(whole))):
        path.write_bytes(other)
        with pytest.raises(BadFolder, match="is there already and differs"):
            download_archive(model, tmp_path, url=pipe.url)
        assert path.read_bytes() == other
    assert download_archive(model, tmp_path, url=pipe.url, overwrite=True) == str(path)
    assert sha256(path.read_bytes()) == sha256(whole)


def test_a_folder_in_the_place_of_an_archive_is_told(system, model, tmp_path):
    path = download_archive(model, tmp_path, url=system.url)
    os.unlink(path)
    os.mkdir(path)
    with pytest.raises(BadFolder, match="is there already"):
        download_archive(model, tmp_path, url=system.url)
    with pytest.raises(BadFolder, match="directory"):
        download_archive(model, tmp_path, url=system.url, overwrite=True)


def test_an_archive_that_was_damaged_is_refused(system, model, tmp_path):
    path = download_archive(model, tmp_path, url=system.url)
    with open(path, "r+b") as file:
        file.seek(5_000_000)
        file.write(b"damaged")
    os.rename(path, f"{path}.part")
    with pytest.raises(BadFolder, match="damaged|another SHA-256"):
        download_archive(model, tmp_path, url=system.url)
    assert download_archive(model, tmp_path, url=system.url) == path
