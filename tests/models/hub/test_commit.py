"""POST /api/models/:namespace/:name/commit/main"""

import concurrent.futures
import json
import zipfile
from io import BytesIO

import pytest

from tests.models.hub.pushes import NDJSON, Pusher, by_sha256, deleted, header, inline, sha256
from tests.support.databases import on
from tests.support.waiting import wait_until

MODELS = "/api/v1/models"
FILES = {
    "adapter_config.json": b'{"base_model_name_or_path": "llama-3.2-3b"}',
    "adapter_model.safetensors": b"weights",
    "tokenizer/vocab.txt": b"v",
    "tiny-f16.gguf": b"GGUF",
    "README.md": b"# Mine",
}


def record_of(models, repo_id):
    listed = models.get(MODELS, params={"limit": 100}).json()["data"]
    (found,) = [model for model in listed if model["repo_id"] == repo_id]
    return models.get(f"{MODELS}/{found['ID']}").json()["model"]


def test_it_works(models, pusher, pushed):
    repo_id = pushed(FILES)
    record = record_of(models, repo_id)
    assert (record["status"], record["base_model"]) == ("ready", "llama-3.2-3b")
    assert [file["path"] for file in record["file_list"]] == [
        *("README.md", "gguf/tiny-f16.gguf", "lora_adapters/adapter_config.json"),
        *("lora_adapters/adapter_model.safetensors", "lora_adapters/tokenizer/vocab.txt"),
    ]
    assert [file["sha256"] for file in record["file_list"]][0] == sha256(b"# Mine")
    assert pusher.names(repo_id) == sorted(FILES)
    for name, content in FILES.items():
        assert pusher.read(repo_id, name) == content
    archive = models.get(f"{MODELS}/{record['ID']}/download")
    with zipfile.ZipFile(BytesIO(archive.content)) as opened:
        assert opened.read(f"{record['ID']}/README.md") == b"# Mine"


def test_its_answer_names_the_revision(pusher, pushed):
    repo_id = pushed(FILES)
    answer = pusher.commit(repo_id, inline("new", b"n")).json()
    assert answer["commitOid"] == pusher.sha(repo_id)
    assert answer["commitUrl"].endswith(f"/{repo_id}/commit/{answer['commitOid']}")


def test_the_next_one_changes_what_it_names(models, pusher, pushed):
    repo_id = pushed(FILES)
    former = pusher.sha(repo_id)
    items = [inline("adapter_model.safetensors", b"better"), deleted("tokenizer", "deletedFolder"), inline("new", b"n")]
    assert pusher.commit(repo_id, *items, parent=former).status_code == 200
    assert pusher.names(repo_id) == sorted((FILES.keys() | {"new"}) - {"tokenizer/vocab.txt"})
    assert pusher.read(repo_id, "adapter_model.safetensors") == b"better"
    assert pusher.sha(repo_id) != former
    paths = [file["path"] for file in record_of(models, repo_id)["file_list"]]
    assert "lora_adapters/tokenizer/vocab.txt" not in paths


def test_what_is_there_by_other_ways_keeps_its_place(models, pusher, ready):
    model = ready({"lora_adapters/README.md": b"PEFT's", "config.json": b"{}", "lora_adapters/w": b"w"})
    items = [inline(name, b"new") for name in ("README.md", "config.json", "w")]
    assert pusher.commit(model["repo_id"], *items).status_code == 200
    files = models.get(f"{MODELS}/{model['ID']}").json()["model"]["file_list"]
    assert [file["path"] for file in files] == ["config.json", "lora_adapters/README.md", "lora_adapters/w"]
    assert {file["sha256"] for file in files} == {sha256(b"new")}


def test_it_adds_to_what_lies_in_a_model_that_is_not_ready(models, pusher, create, upload):
    model = create(base_model="mine")
    upload(model["ID"], {"lora_adapters/w": b"w"})
    assert pusher.commit(model["repo_id"], inline("adapter_config.json", FILES["adapter_config.json"])).ok
    record = record_of(models, model["repo_id"])
    assert (record["status"], record["base_model"]) == ("ready", "mine")
    assert list(record["files"]) == ["adapter_config.json", "w"]


def test_the_same_files_again_make_no_other_revision(pusher, pushed):
    repo_id = pushed(FILES)
    former = pusher.sha(repo_id)
    assert pusher.commit(repo_id, *(inline(*item) for item in FILES.items())).json()["commitOid"] == former
    assert pusher.commit(repo_id).json()["commitOid"] == former


def test_a_parent_that_is_not_the_newest_is_412(pusher, pushed):
    repo_id = pushed(FILES)
    former = pusher.sha(repo_id)
    assert pusher.commit(repo_id, inline("a", b"1"), parent=former).ok
    newest = pusher.sha(repo_id)
    assert pusher.commit(repo_id, inline("b", b"2"), parent=former).status_code == 412
    assert pusher.sha(repo_id) == newest


def test_a_pull_request_is_not_offered(pusher, pushed):
    answer = pusher.commit(pushed(FILES), inline("a", b"1"), query="?create_pr=1")
    assert answer.status_code == 501
    assert "pull request" in answer.headers["X-Error-Message"]


def test_another_branch_is_not_there(pusher, pushed):
    answer = pusher.call("POST", f"/api/models/{pushed(FILES)}/commit/dev", data=b"{}", headers=NDJSON)
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")


@pytest.mark.parametrize("kind", ["deletedFile", "deletedFolder"])
def test_what_is_not_there_cannot_be_deleted(pusher, pushed, kind):
    repo_id = pushed(FILES)
    former = pusher.sha(repo_id)
    answer = pusher.commit(repo_id, inline("a", b"1"), deleted("none", kind))
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "EntryNotFound")
    assert pusher.sha(repo_id) == former


def test_the_generated_card_may_be_deleted_with_the_rest(pusher, pushed):
    repo_id = pushed({"a": b"a", "b": b"b"})
    assert pusher.commit(repo_id, deleted("README.md"), deleted("a")).status_code == 200
    assert pusher.names(repo_id) == ["README.md", "b"]


def test_what_is_deleted_and_added_is_there(pusher, pushed):
    repo_id = pushed(FILES)
    assert pusher.commit(repo_id, deleted("tokenizer", "deletedFolder"), inline("tokenizer/vocab.txt", b"w")).ok
    assert pusher.read(repo_id, "tokenizer/vocab.txt") == b"w"


def test_a_deleted_file_leaves_no_object(models, pusher, pushed, bucket):
    repo_id = pushed(FILES)
    place = record_of(models, repo_id)["storage_path"]
    assert pusher.commit(repo_id, deleted("tiny-f16.gguf")).ok
    assert not bucket.has(f"{place}/gguf/tiny-f16.gguf")
    # And none comes back when the model is made ready by other ways.
    url = f"{MODELS}/{record_of(models, repo_id)['ID']}"
    models.put(url, json={"status": "uploading"})
    assert models.put(url, json={"status": "ready"}).ok
    assert "tiny-f16.gguf" not in pusher.names(repo_id)


@on("postgresql")
@pytest.mark.parametrize(
    ("line", "status", "field"),
    [
        (b"", 422, "header"),
        (b"nonsense", 400, None),
        (b"[]", 422, "value"),
        (b"{}", 422, "value"),
        (b"\xff\xfe", 400, None),
        (b"[" * 10_000, 400, None),
        (json.dumps(inline("a", b"1")).encode(), 422, "header"),
        (json.dumps({"key": "header", "value": {"parentCommit": 7}}).encode(), 422, "parentCommit"),
    ],
)
def test_it_rejects_a_bad_body(pusher, pushed, line, status, field):
    repo_id = pushed({"a": b"a"})
    answer = pusher.call("POST", f"/api/models/{repo_id}/commit/main", data=line, headers=NDJSON)
    assert answer.status_code == status, answer.text
    assert list(answer.json().get("errors", [None])) == [field]


@on("postgresql")
@pytest.mark.parametrize(
    ("item", "field"),
    [
        (header(), "header"),
        ({"key": "symlink", "value": {"path": "a"}}, "key"),
        ({"key": "file", "value": {"path": "a", "content": "!", "encoding": "base64"}}, "content"),
        ({"key": "file", "value": {"path": "a", "content": "YQ==", "encoding": "rot13"}}, "encoding"),
        ({"key": "file", "value": {"path": "a"}}, "content"),
        ({"key": "lfsFile", "value": {"path": "a", "algo": "md5", "oid": "0" * 64}}, "algo"),
        ({"key": "lfsFile", "value": {"path": "a", "oid": "0" * 63}}, "oid"),
        (by_sha256("a", b"never sent"), "oid"),
        *((inline(path, b"x"), "path") for path in ("", "/a", "../a", "a//b", "a\\b", "CON", "a.", "x" * 1025, "a:b")),
    ],
)
def test_it_rejects_a_bad_line_and_changes_nothing(pusher, pushed, item, field):
    repo_id = pushed({"a": b"a"})
    former = pusher.sha(repo_id)
    answer = pusher.commit(repo_id, inline("b", b"b"), item)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert pusher.sha(repo_id) == former


def test_paths_that_no_file_system_holds_together_are_409(pusher, pushed):
    repo_id = pushed({"a/b": b"1"})
    for name in ("A/B", "a", "a/b/c"):
        assert pusher.commit(repo_id, inline(name, b"2")).status_code == 409
    assert pusher.commit(repo_id, inline("x", b"2"), inline("X", b"3")).status_code == 409


def test_it_rejects_too_many_files(pusher, pushed):
    repo_id = pushed({"a": b"a"})
    items = [deleted(f"f{number}") for number in range(10_001)]
    assert pusher.commit(repo_id, *items).status_code == 413


def test_it_rejects_too_long_a_body(pusher, pushed):
    repo_id = pushed({"a": b"a"})
    items = [inline(f"f{number}", bytes(5 * 2**20)) for number in range(10)]
    assert pusher.commit(repo_id, *items).status_code == 413
    assert pusher.names(repo_id) == ["README.md", "a"]


def test_an_unknown_repository_is_404(pusher):
    answer = pusher.commit("team/none", inline("a", b"a"))
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")


def test_of_pushes_at_once_each_is_whole_or_refused(pusher, pushed):
    repo_id = pushed({"a": b"a"})

    def push(number):
        return number, pusher.commit(repo_id, inline(f"n{number}/x", b"1"), inline(f"n{number}/y", b"2")).status_code

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = dict(pool.map(push, range(6)))
    assert set(done.values()) <= {200, 409}
    assert 200 in done.values()
    there = {name for name in pusher.names(repo_id) if name.startswith("n")}
    assert there == {f"n{number}/{part}" for number, status in done.items() if status == 200 for part in "xy"}


def test_a_file_of_another_ready_model_is_not_changed(models, pusher, ready, create):
    model = ready({"lora_adapters/a": b"a"})
    sharing = create(storage_path=model["storage_path"])
    assert pusher.commit(sharing["repo_id"], inline("a", b"b")).status_code == 409
    assert pusher.read(model["repo_id"], "a") == b"a"


def test_an_ordinary_upload_under_way_is_a_conflict(models, pusher, create, begin):
    model = create()
    begin(model, 100)
    answer = pusher.commit(model["repo_id"], inline("a", b"a"))
    assert answer.status_code == 409
    assert models.get(f"{MODELS}/{model['ID']}").json()["model"]["status"] == "uploading"


def test_nothing_is_changed_where_the_store_is_away(own, store_server):
    pusher = Pusher(own, store_server)
    repo_id = own.model()["repo_id"]
    assert pusher.commit(repo_id, inline("a", b"a")).ok
    former = pusher.sha(repo_id)
    own.pipe.cut()
    answer = pusher.commit(repo_id, inline("b", b"b"))
    own.pipe.mend()
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert (pusher.sha(repo_id), pusher.read(repo_id, "a")) == (former, b"a")
    assert pusher.commit(repo_id, inline("b", b"b")).ok


def test_until_it_is_done_readers_have_the_former_revision(own, store_server):
    pusher, model = Pusher(own, store_server), own.model()
    repo_id = model["repo_id"]
    assert pusher.commit(repo_id, inline("a", b"former"), inline("b", b"b")).ok
    former = pusher.sha(repo_id)
    own.pipe.hang(after=1)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pushing = pool.submit(pusher.commit, repo_id, inline("a", b"next"), inline("c", b"c"))
            wait_until(lambda: own.pipe.hangs)
            assert pusher.sha(repo_id) == former
            assert pusher.read(repo_id, "b") == b"b"
            # Nobody else changes the files meanwhile, nor takes the model out of the commit's hands.
            assert pusher.commit(repo_id, inline("d", b"d")).status_code == 409
            assert own.call("PUT", f"/{model['ID']}/files/lora_adapters/d", data=b"d").status_code == 409
            own.pipe.mend()
            assert pushing.result().status_code == 200
    finally:
        own.pipe.mend()
    assert (pusher.read(repo_id, "a"), pusher.names(repo_id)) == (b"next", ["README.md", "a", "b", "c"])


def test_a_model_that_is_thawed_meanwhile_is_not_made_ready(own, store_server):
    pusher, model = Pusher(own, store_server), own.model()
    assert pusher.commit(model["repo_id"], inline("a", b"a")).ok
    own.pipe.hang(after=1)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pushing = pool.submit(pusher.commit, model["repo_id"], inline("b", b"b"))
            wait_until(lambda: own.pipe.hangs)
            assert own.call("PUT", f"/{model['ID']}", json={"status": "uploading"}).status_code == 200
            own.pipe.mend()
            assert pushing.result().status_code == 409
    finally:
        own.pipe.mend()
    assert own.call("GET", f"/{model['ID']}").json()["model"]["status"] == "uploading"
