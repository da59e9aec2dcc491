"""Content of new files whose paths were announced: its parts are put together in their place, and not copied"""

import concurrent.futures
import os
from datetime import UTC, datetime, timedelta

import pytest

from services.models.files.expire_uploads import expire_uploads
from services.models.tables import AnnouncedFile
from tests.models.hub.pushes import Pusher, by_sha256, inline, sha256
from tests.support.waiting import wait_until

MODELS = "/api/v1/models"
SIZE = 6 * 2**20  # by LFS


@pytest.fixture
def contents():
    """Of two files; nobody can tell which is which by their sizes."""
    return {"a.safetensors": os.urandom(SIZE), "b.gguf": os.urandom(SIZE)}


@pytest.fixture
def model(create):
    return create(base_model="unknown")


def announce(pusher, repo_id, contents):
    answer = pusher.announce(repo_id, contents)
    assert {file["uploadMode"] for file in answer.json()["files"]} == {"lfs"}


def send(pusher, repo_id, contents):
    """Offer all at once, as the Hub's clients do, and send each."""
    offered = pusher.offer(repo_id, *contents)
    for content in contents:
        actions, body = pusher.send(offered, content)
        assert pusher.end(actions["upload"]["href"], json=body).status_code == 200
        said = pusher.end(actions["verify"]["href"], json={"oid": sha256(content), "size": len(content)})
        assert said.status_code == 200


def commit(pusher, repo_id, contents):
    return pusher.commit(repo_id, *(by_sha256(name, content) for name, content in contents.items()))


def require(pusher, repo_id, contents):
    for name, content in contents.items():
        # Until its checksum is known it is 503.
        found = wait_until(lambda name=name: not isinstance(read := pusher.read(repo_id, name), int) and read)
        assert found == content, name


def open_uploads(bucket, model):
    return {found.key for found in bucket.list_uploads() if found.key.startswith(f"{model['storage_path']}/")}


def keys(bucket, model):
    path = model["storage_path"]
    return {found.key.removeprefix(f"{path}/") for found in bucket.list(f"{path}/")}


def staged(bucket, model, contents):
    """Return which contents lie in the staging folder; other databases have models of the same ID in this store."""
    folder = f"uploads/{model['ID']}/"
    found = {found.key.removeprefix(folder) for found in bucket.list(folder)}
    return found & {sha256(content) for content in contents.values()}


PLACES = {"lora_adapters/a.safetensors", "gguf/b.gguf"}


def test_it_works(own, store_server, model, contents, bucket):
    pusher, model = Pusher(own, store_server), own.model(base_model="unknown")
    announce(pusher, model["repo_id"], contents)
    send(pusher, model["repo_id"], list(contents.values()))
    # Nobody sees them before the commit, not even in the store.
    assert open_uploads(bucket, model) == {f"{model['storage_path']}/{place}" for place in PLACES}
    assert keys(bucket, model) == set()
    assert commit(pusher, model["repo_id"], contents).status_code == 200
    assert keys(bucket, model) == PLACES
    assert not open_uploads(bucket, model)
    assert not staged(bucket, model, contents)
    with own.checksums():
        require(pusher, model["repo_id"], contents)


def test_a_second_push_sends_and_changes_nothing(own, store_server, contents, bucket):
    pusher, model = Pusher(own, store_server), own.model(base_model="unknown")
    repo_id = model["repo_id"]
    for _ in range(2):
        announce(pusher, repo_id, contents)
        send_what_is_wanted(pusher, repo_id, contents)
        assert commit(pusher, repo_id, contents).status_code == 200
        assert pusher.names(repo_id) == ["README.md", *contents]
    assert not open_uploads(bucket, model)


def send_what_is_wanted(pusher, repo_id, contents):
    offered = pusher.offer(repo_id, *contents.values()).json()["objects"]
    wanted = {item["oid"] for item in offered if "actions" in item}
    send(pusher, repo_id, [content for content in contents.values() if sha256(content) in wanted])


def test_sent_in_another_order_each_comes_to_its_place(own, store_server, contents, bucket):
    pusher, model = Pusher(own, store_server), own.model(base_model="unknown")
    announce(pusher, model["repo_id"], contents)
    send(pusher, model["repo_id"], list(contents.values())[::-1])
    assert commit(pusher, model["repo_id"], contents).status_code == 200
    assert keys(bucket, model) == PLACES
    assert not staged(bucket, model, contents)
    with own.checksums():
        require(pusher, model["repo_id"], contents)


def test_under_another_name_than_was_announced(own, store_server, contents, bucket):
    pusher, model = Pusher(own, store_server), own.model(base_model="unknown")
    announce(pusher, model["repo_id"], contents)
    send(pusher, model["repo_id"], list(contents.values()))
    moved = {f"moved/{name}": content for name, content in contents.items()}
    twice = moved | {"again.bin": contents["b.gguf"]}
    assert commit(pusher, model["repo_id"], twice).status_code == 200
    assert keys(bucket, model) == {"lora_adapters/moved/a.safetensors", "gguf/moved/b.gguf", "lora_adapters/again.bin"}
    with own.checksums():
        require(pusher, model["repo_id"], twice)


def test_the_same_content_twice(own, store_server, contents, bucket):
    pusher, model = Pusher(own, store_server), own.model(base_model="unknown")
    content = contents["a.safetensors"]
    both = {"a.safetensors": content, "copy/a.safetensors": content}
    announce(pusher, model["repo_id"], both)
    send(pusher, model["repo_id"], [content])
    assert commit(pusher, model["repo_id"], both).status_code == 200
    with own.checksums():
        require(pusher, model["repo_id"], both)


def test_a_place_that_is_taken_meanwhile_is_not_written_to(models, pusher, model, contents, upload, bucket):
    """The content was sent for one path and is committed for another."""
    content = contents["a.safetensors"]
    announce(pusher, model["repo_id"], {"a.safetensors": content})
    send(pusher, model["repo_id"], [content])
    upload(model["ID"], {"lora_adapters/a.safetensors": b"by another way"})
    assert commit(pusher, model["repo_id"], {"other.bin": content}).status_code == 409
    key = f"{model['storage_path']}/lora_adapters/a.safetensors"
    assert b"".join(bucket.chunks(key)) == b"by another way"
    pusher.upload(model["repo_id"], content)
    assert commit(pusher, model["repo_id"], {"other.bin": content}).status_code == 200
    assert pusher.names(model["repo_id"]) == ["README.md", "a.safetensors", "other.bin"]


def test_a_place_that_is_taken_meanwhile_is_replaced_by_what_belongs_there(pusher, model, contents, upload):
    content = contents["a.safetensors"]
    announce(pusher, model["repo_id"], {"a.safetensors": content})
    send(pusher, model["repo_id"], [content])
    upload(model["ID"], {"lora_adapters/a.safetensors": b"by another way"})
    assert commit(pusher, model["repo_id"], {"a.safetensors": content}).status_code == 200
    assert pusher.names(model["repo_id"]) == ["README.md", "a.safetensors"]


def test_what_another_commit_brought_meanwhile_stays(own, store_server, contents):
    pusher, repo_id = Pusher(own, store_server), own.model(base_model="unknown")["repo_id"]
    content = contents["a.safetensors"]
    announce(pusher, repo_id, {"a.safetensors": content})
    send(pusher, repo_id, [content])
    assert pusher.commit(repo_id, inline("a.safetensors", content)).status_code == 200
    assert commit(pusher, repo_id, {"a.safetensors": content, "b": content}).status_code == 200
    with own.checksums():
        require(pusher, repo_id, {"a.safetensors": content, "b": content})


def test_a_commit_that_failed_is_done_by_the_next(own, store_server, contents):
    pusher, model = Pusher(own, store_server), own.model()
    repo_id = model["repo_id"]
    assert pusher.commit(repo_id, inline("z", b"z")).ok
    announce(pusher, repo_id, contents)
    send(pusher, repo_id, list(contents.values()))
    own.pipe.hang(after=1)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pushing = pool.submit(commit, pusher, repo_id, contents)
            wait_until(lambda: own.pipe.hangs)
            assert own.call("PUT", f"/{model['ID']}", json={"status": "uploading"}).status_code == 200
            own.pipe.mend()
            assert pushing.result().status_code == 409
    finally:
        own.pipe.mend()
    assert commit(pusher, repo_id, contents).status_code == 200
    with own.checksums():
        require(pusher, repo_id, contents)


def test_a_file_that_is_there_is_copied_over(pusher, pushed, contents, models, bucket):
    """Until the commit readers have the former one, and a guess must not cost them that."""
    repo_id = pushed({"a.safetensors": b"former"})
    announce(pusher, repo_id, {"a.safetensors": contents["a.safetensors"]})
    send(pusher, repo_id, [contents["a.safetensors"]])
    assert pusher.read(repo_id, "a.safetensors") == b"former"
    assert commit(pusher, repo_id, {"a.safetensors": contents["a.safetensors"]}).status_code == 200
    assert pusher.names(repo_id) == ["README.md", "a.safetensors"]


def test_it_rejects_parts_that_did_not_come(pusher, model, contents):
    content = contents["a.safetensors"]
    announce(pusher, model["repo_id"], {"a.safetensors": content})
    actions, body = pusher.send(pusher.offer(model["repo_id"], content), content)
    body["parts"][0]["etag"] = '"' + "0" * 32 + '"'
    answer = pusher.end(actions["upload"]["href"], json=body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["parts"])
    assert commit(pusher, model["repo_id"], {"a.safetensors": content}).status_code == 422


def test_what_no_commit_took_goes_after_a_day(own, store_server, contents, bucket, tables):
    pusher, model = Pusher(own, store_server), own.model()
    announce(pusher, model["repo_id"], contents | {"never": os.urandom(SIZE)})
    send(pusher, model["repo_id"], list(contents.values()))
    now = datetime.now(UTC)
    with tables(own.environ["DATABASE_URL"]):
        expire_uploads(bucket, now)
        assert len(open_uploads(bucket, model)) == 2
        assert AnnouncedFile.select().where(AnnouncedFile.model_id == model["ID"]).count() == 1
        expire_uploads(bucket, now + timedelta(hours=25))
        assert AnnouncedFile.select().where(AnnouncedFile.model_id == model["ID"]).count() == 0
    assert not open_uploads(bucket, model)
    assert commit(pusher, model["repo_id"], contents).status_code == 422
