"""GET and HEAD /:namespace/:name/resolve/:revision/:path"""

import hashlib

import pytest
import requests

from tests.models.hub.conftest import FILES
from tests.support.waiting import wait_until

WEIGHTS = FILES["lora_adapters/adapter_model.safetensors"]


def at_the_store(store_server):
    """Headers by which links are signed for the store's own address."""
    return {"X-Forwarded-Proto": "http", "Host": store_server.endpoint.removeprefix("http://")}


def test_it_works(models, repo, store_server):
    url = f"/{repo['repo_id']}/resolve/main/adapter_model.safetensors"
    said = models.head(url, allow_redirects=False)
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert said.status_code == 200
    commit = models.get(f"/api/models/{repo['repo_id']}").json()["sha"]
    assert said.headers["X-Repo-Commit"] == commit
    assert said.headers["ETag"] == said.headers["X-Linked-ETag"] == f'"{sha256}"'
    assert said.headers["Content-Length"] == said.headers["X-Linked-Size"] == str(len(WEIGHTS))
    assert said.headers["Accept-Ranges"] == "bytes"
    got = models.get(url, allow_redirects=False, headers=at_the_store(store_server))
    assert (got.status_code, got.headers["Cache-Control"]) == (302, "no-store")
    assert got.headers["X-Repo-Commit"] == commit
    assert requests.get(got.headers["Location"], timeout=10).content == WEIGHTS
    part = requests.get(got.headers["Location"], headers={"Range": "bytes=100-"}, timeout=10)
    assert (part.status_code, part.content) == (206, WEIGHTS[100:])


@pytest.mark.parametrize("name", ["tokenizer/vocab.txt", "tiny-f16.gguf", "notes.txt"])
def test_each_file_has_its_name_of_the_files_map(models, repo, store_server, name):
    url = f"/{repo['repo_id']}/resolve/main/{name}"
    got = models.get(url, headers=at_the_store(store_server), allow_redirects=False)
    (content,) = [content for path, content in FILES.items() if path.endswith(name)]
    assert requests.get(got.headers["Location"], timeout=10).content == content


def test_names_that_would_be_shared_keep_their_path(models, ready):
    repo_id = ready({"lora_adapters/a": b"1", "gguf/a": b"22"})["repo_id"]
    assert models.head(f"/{repo_id}/resolve/main/lora_adapters/a").headers["Content-Length"] == "1"
    assert models.head(f"/{repo_id}/resolve/main/gguf/a").headers["Content-Length"] == "2"
    assert models.head(f"/{repo_id}/resolve/main/a").status_code == 404


def test_the_generated_card_is_served_like_a_file(models, repo):
    url = f"/{repo['repo_id']}/resolve/main/README.md"
    got, said = models.get(url, allow_redirects=False), models.head(url)
    assert (got.status_code, said.status_code) == (200, 200)
    assert got.headers["ETag"] == said.headers["ETag"] == f'"{hashlib.sha256(got.content).hexdigest()}"'
    assert said.headers["Content-Length"] == str(len(got.content))


def test_a_card_among_the_files_takes_the_place_of_the_generated_one(models, ready):
    for path in ("README.md", "lora_adapters/README.md"):
        repo_id = ready({path: b"# Mine"})["repo_id"]
        assert models.head(f"/{repo_id}/resolve/main/README.md").headers["Content-Length"] == "6"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_rejects_what_is_not_there(models, repo, method):
    for path in ("none", "tokenizer", "", "x/..%2Fnotes.txt", "notes.txt/", "lora_adapters/notes.txt"):
        answer = models.request(method, f"/{repo['repo_id']}/resolve/main/{path}")
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "EntryNotFound")
        assert len(answer.headers["X-Repo-Commit"]) == 40


def test_an_empty_file(models, ready):
    repo_id = ready({"lora_adapters/empty": b""})["repo_id"]
    said = models.head(f"/{repo_id}/resolve/main/empty")
    assert (said.status_code, said.headers["Content-Length"], said.headers["X-Linked-Size"]) == (200, "0", "0")


def test_it_waits_until_a_file_is_verified(hasty, store_server):
    model = hasty.model()
    content = b"x" * 1000
    digest = hashlib.sha256(content).hexdigest()
    assert hasty.upload(model, "lora_adapters/big", content, store_server.endpoint, sha256=digest).status_code == 200
    assert hasty.call("PUT", f"/{model['ID']}", json={"status": "ready"}).status_code == 200
    # The announced checksum names the revision at once; what nobody has read yet is not handed out.
    sha = hasty.hub("GET", f"/api/models/{model['repo_id']}").json()["sha"]
    url = f"/{model['repo_id']}/resolve/main/big"
    refused = hasty.hub("HEAD", url)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    with hasty.checksums():
        said = wait_until(lambda: answer if (answer := hasty.hub("HEAD", url)).ok else None)
    assert (said.status_code, said.headers["X-Repo-Commit"]) == (200, sha)


def test_one_that_is_not_what_its_sender_said_is_refused(own, store_server):
    model = own.model()
    own.upload(model, "lora_adapters/big", b"x" * 1000, store_server.endpoint, sha256="0" * 64)
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    url = f"/{model['repo_id']}/resolve/main/big"
    with own.checksums():
        answers = wait_until(lambda: [answer] if (answer := own.hub("GET", url)).status_code != 503 else [])
    assert [answer.status_code for answer in answers] == [409]
    assert "announced" in answers[0].headers["X-Error-Message"]


def test_files_whose_checksum_nobody_knows_are_503_until_they_are_read(own):
    model = own.model()
    own.bucket_put(model, ["lora_adapters/a"])
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    answer = own.hub("GET", f"/api/models/{model['repo_id']}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    with own.checksums():
        assert own.wait_for_sha(model).status_code == 200
