"""GET /api/models/:namespace/:name/tree/:revision and POST …/paths-info/:revision"""

import hashlib

import pytest

from tests.models.hub.conftest import FILES


def tree(models, repo, path="", **query):
    return models.get(f"/api/models/{repo['repo_id']}/tree/main{path}", params=query)


def test_it_works(models, repo):
    entries = {entry["path"]: entry for entry in tree(models, repo).json()}
    assert list(entries) == [
        *("README.md", "adapter_config.json", "adapter_model.safetensors", "notes.txt", "tiny-f16.gguf", "tokenizer")
    ]
    weights = FILES["lora_adapters/adapter_model.safetensors"]
    sha256 = hashlib.sha256(weights).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 700\n".encode()
    assert entries["adapter_model.safetensors"] == {
        "type": "file",
        "oid": hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest(),
        "size": 700,
        "path": "adapter_model.safetensors",
        "lfs": {"oid": sha256, "size": 700, "pointerSize": len(pointer)},
    }
    assert entries["tokenizer"]["type"] == "directory"


@pytest.mark.parametrize("value", ["true", "True"])
def test_recursive_goes_into_folders(models, repo, value):
    paths = [entry["path"] for entry in tree(models, repo, recursive=value, expand=value).json()]
    assert paths[-2:] == ["tokenizer", "tokenizer/vocab.txt"]


def test_a_folder(models, repo):
    assert [entry["path"] for entry in tree(models, repo, "/tokenizer").json()] == ["tokenizer/vocab.txt"]
    for path in ("/token", "/tokenizer/vocab.txt/x", "/none"):
        answer = tree(models, repo, path)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "EntryNotFound")


def test_it_comes_in_pages(hasty):
    """Of five entries each, in this service."""
    names = [f"lora_adapters/{number}" for number in range(12)]
    model, _ = hasty.ready(dict.fromkeys(names, b"x"))
    path, pages = f"/api/models/{model['repo_id']}/tree/main?recursive=True", []
    while path:
        answer = hasty.hub("GET", path)
        pages.append([entry["path"] for entry in answer.json()])
        following = answer.links.get("next", {"url": ""})["url"]
        path = following.removeprefix("http://gateway.test:8080")
        assert path.startswith("/api/models/") or not following
    assert [len(page) for page in pages] == [5, 5, 3]
    assert sum(pages, []) == [*sorted(map(str, range(12))), "README.md"]


def test_paths_info(models, repo):
    form = {"paths": ["notes.txt", "tokenizer", "tokenizer/", "none", "", "tokenizer/vocab.txt"], "expand": "True"}
    answer = models.post(f"/api/models/{repo['repo_id']}/paths-info/main", data=form)
    assert [(entry["path"], entry["type"]) for entry in answer.json()] == [
        ("notes.txt", "file"),
        ("tokenizer", "directory"),
        ("tokenizer", "directory"),
        ("tokenizer/vocab.txt", "file"),
    ]
    for body in (b"", b"\xff\xfe", b"paths", b"paths=%ff&paths=%01"):
        answer = models.post(f"/api/models/{repo['repo_id']}/paths-info/main", data=body)
        assert (answer.status_code, answer.json()) == (200, [])
    missing = models.post(f"/api/models/{repo['repo_id']}/paths-info/v1", data=form)
    assert missing.headers["X-Error-Code"] == "RevisionNotFound"
