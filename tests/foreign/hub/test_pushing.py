"""The Hub's client pushes to us: upload_folder, upload_file, `hf upload`"""

import json
from pathlib import Path

import pytest

from tests.foreign.hub.conftest import HubClient
from tests.support.waiting import wait_until

MIB = 2**20
FILES = {
    "adapter_config.json": b'{"base_model_name_or_path": "llama-3.2-3b", "r": 8}',
    "adapter_model.safetensors": bytes(range(256)) * 4 * 6 * 1024,  # 6 MiB: by LFS
    "tokenizer/vocab.txt": b"vocabulary",
    "empty.txt": b"",
    "README.md": b"---\nlibrary_name: peft\n---\n# Mine\n",
}
UPLOAD = "str(HfApi().upload_folder(repo_id=arg[0], folder_path=arg[1], **json.loads(arg[2]) if len(arg) > 2 else {}))"


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "folder"


@pytest.fixture
def pushed(client, fresh, folder):
    """A repository that has FILES by a push."""
    client.eval("create_repo(arg[0])", fresh)
    done = client.eval(UPLOAD, fresh, folder)
    assert "raised" not in done, done
    return fresh


def model_of(system, repo_id):
    (found,) = [m for m in system.get("/models?limit=100").json()["data"] if m["repo_id"] == repo_id]
    return system.get(f"/models/{found['ID']}").json()["model"]


def sizes_of(system, repo_id):
    return model_of(system, repo_id)["files"]


def sha(client, repo_id):
    return client.eval("model_info(arg[0]).sha", repo_id)


def test_it_works(client, system, pushed):
    model = model_of(system, pushed)
    assert (model["status"], model["base_model"]) == ("ready", "llama-3.2-3b")
    assert model["files"] == {name: len(content) for name, content in FILES.items()}
    there = Path(client.eval("snapshot_download(arg[0])", pushed))
    assert {str(path.relative_to(there)): path.read_bytes() for path in there.rglob("*") if path.is_file()} == FILES


def test_a_second_push_sends_nothing(client, pushed, folder, pipe):
    former, before = sha(client, pushed), pipe.taken
    assert "raised" not in client.eval(UPLOAD, pushed, folder)
    assert pipe.taken - before < 50_000
    assert sha(client, pushed) == former


def test_a_changed_file_and_a_deletion(client, system, pushed, folder):
    (folder / "adapter_config.json").write_bytes(b'{"r": 16}')
    (folder / "new.txt").write_bytes(b"new")
    done = client.eval(UPLOAD, pushed, folder, json.dumps({"delete_patterns": ["tokenizer/*"]}))
    assert "raised" not in done, done
    # What is in the folder stays, whatever the pattern says.
    assert sizes_of(system, pushed)["adapter_config.json"] == 9
    call = "HfApi().delete_file('tokenizer/vocab.txt', arg[0]) and 1"
    client.eval(call, pushed)
    assert set(sizes_of(system, pushed)) == {*FILES, "new.txt"} - {"tokenizer/vocab.txt"}
    assert sizes_of(system, pushed)["new.txt"] == 3


def test_a_changed_file_of_the_same_size(client, system, pushed, folder):
    (folder / "tokenizer/vocab.txt").write_bytes(b"VOCABULARY")
    assert "raised" not in client.eval(UPLOAD, pushed, folder)
    path = client.eval("hf_hub_download(arg[0], 'tokenizer/vocab.txt')", pushed)
    assert Path(path).read_bytes() == b"VOCABULARY"


def test_an_interrupted_upload_is_done_by_the_next(client, system, fresh, folder, pipe):
    (folder / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 4 * 40 * 1024)  # three parts
    client.eval("create_repo(arg[0])", fresh)
    pipe.hang(after=20 * MIB)
    process = client.start_eval(UPLOAD, fresh, folder)
    wait_until(lambda: pipe.hangs, 60)
    process.kill()
    process.communicate()
    pipe.mend()
    assert model_of(system, fresh)["status"] == "uploading"
    assert "raised" not in client.eval(UPLOAD, fresh, folder)
    assert sizes_of(system, fresh)["adapter_model.safetensors"] == 40 * MIB
    path = client.eval("hf_hub_download(arg[0], 'adapter_model.safetensors')", fresh)
    assert Path(path).read_bytes() == (folder / "adapter_model.safetensors").read_bytes()


def test_many_small_files(client, system, fresh, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(300):
        (tmp_path / "many" / f"{number}.txt").write_bytes(b"%d" % number)
    client.eval("create_repo(arg[0])", fresh)
    assert "raised" not in client.eval(UPLOAD, fresh, tmp_path / "many")
    assert len(sizes_of(system, fresh)) == 300


def test_by_the_command(client, system, fresh, folder):
    client.hf("upload", fresh, folder)
    assert set(sizes_of(system, fresh)) == set(FILES)


def test_create_repo_twice(client, fresh):
    assert client.eval("create_repo(arg[0]).repo_id", fresh) == fresh
    assert client.eval("create_repo(arg[0], exist_ok=True).repo_id", fresh) == fresh
    assert "409" in client.eval("create_repo(arg[0])", fresh)["message"]


def test_a_parent_that_is_not_the_newest(client, pushed, folder):
    former = sha(client, pushed)
    (folder / "adapter_config.json").write_bytes(b"{}")
    client.eval(UPLOAD, pushed, folder)
    (folder / "adapter_config.json").write_bytes(b"[]]")
    refused = client.eval(UPLOAD, pushed, folder, json.dumps({"parent_commit": former}))
    assert "412" in refused["message"]


def test_a_pull_request_is_refused_with_a_sentence(client, pushed, folder):
    (folder / "adapter_config.json").write_bytes(b"{}")
    refused = client.eval(UPLOAD, pushed, folder, '{"create_pr": true}')
    assert "no pull requests here" in refused["message"]


def test_xet_that_is_not_disabled_is_refused_since_2_and_harmless_before(client, fresh, folder):
    """Before 1.20 clients take Xet only where the server offers it; later ones show where they were refused."""
    client.eval("create_repo(arg[0])", fresh)
    done = client.eval(UPLOAD, fresh, folder, HF_HUB_DISABLE_XET="0")
    if client.eval("__import__('huggingface_hub').__version__") < "2":
        assert "raised" not in done
    else:
        assert "501 Not Implemented" in done["message"]
        assert "set-HF_HUB_DISABLE_XET=1" in done["message"]


def test_with_tokens(python, guarded, folder, tmp_path):
    client = HubClient(python, tmp_path / "home", guarded.url)
    name = f"of-{python.parent.parent.name}"
    repo_id = client.eval("create_repo(arg[0]).repo_id", name, HF_TOKEN=guarded.token)
    assert repo_id == f"alice/{name}"
    done = client.eval(UPLOAD, repo_id, folder, HF_TOKEN=guarded.token)
    assert "raised" not in done, done
    assert set(sizes_of(guarded, repo_id)) == set(FILES)
    refused = client.eval(UPLOAD, repo_id, folder, HF_TOKEN=guarded.reader)
    assert "403" in refused["message"]


def test_by_the_token_of_a_job(python, guarded, folder, tmp_path):
    client = HubClient(python, tmp_path / "home", guarded.url)
    job = guarded.request("POST", "/jobs", json={"dataset_id": 1}).json()["ID"]
    token = guarded.request("POST", f"/jobs/{job}/token").json()["token"]
    repo_id = client.eval("create_repo(arg[0]).repo_id", f"job-token-{job}", HF_TOKEN=token)
    done = client.eval(UPLOAD, repo_id, folder, HF_TOKEN=token)
    assert "raised" not in done, done
    assert model_of(guarded, repo_id)["job_id"] == job
    path = client.eval("hf_hub_download(arg[0], 'tokenizer/vocab.txt')", f"tunedeck/job-{job}", HF_TOKEN=token)
    assert Path(path).read_bytes() == b"vocabulary"
