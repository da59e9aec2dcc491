"""The checksum process"""

import hashlib
import io
import os
import sqlite3
import zlib

import pytest


@pytest.fixture
def frozen(own, store):
    """Make a ready model of objects that did not come through the service."""

    def frozen(files):
        model = own.model()
        for path, content in files.items():
            store.put(f"{model['storage_path']}/{path}", io.BytesIO(content), len(content))
        own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
        return model

    return frozen


def known(own, model):
    files = own.call("GET", f"/{model['ID']}/files", params={"limit": 100}).json()["data"]
    return {file["path"]: (file["crc32"], file["sha256"]) for file in files if file["sha256"]}


def rows(own, model):
    with sqlite3.connect(own.env["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        found = database.execute("SELECT path, error FROM file WHERE model_id = ?", (model["ID"],))
        return dict(found.fetchall())


def sums(content):
    return f"{zlib.crc32(content):08x}", hashlib.sha256(content).hexdigest()


def test_it_works(own, frozen, until):
    files = {"empty": b"", "small": b"abc", "of two ranges": os.urandom(64 * 2**20 + 5)}
    model = frozen(files)
    assert known(own, model) == {}
    with own.checksums():
        until(lambda: len(known(own, model)) == len(files))
    assert known(own, model) == {path: sums(content) for path, content in files.items()}


def test_several_share_the_work(own, frozen, until):
    model = frozen({f"f{number}": bytes([number]) * 100_000 for number in range(30)})
    with own.checksums(), own.checksums(), own.checksums():
        until(lambda: len(known(own, model)) == 30)


def test_what_changed_or_vanished_does_not_hold_up_the_rest(own, store, frozen, until):
    model = frozen({"changed": b"1", "gone": b"2", "gone too": b"", "good": b"4"})
    path = model["storage_path"]
    store.put(f"{path}/changed", io.BytesIO(b"other"), 5)
    store.remove(f"{path}/gone")
    store.remove(f"{path}/gone too")
    with own.checksums():
        until(lambda: sum(error is not None for error in rows(own, model).values()) == 3)
        until(lambda: set(known(own, model)) == {"good"})
    errors = rows(own, model)
    assert "missing" in errors["gone"]
    assert "not the one" in errors["changed"]
    assert own.call("GET", f"/{model['ID']}/download").status_code == 409


def test_it_lives_through_the_store_being_away(own, frozen, until):
    model = frozen({"a": b"1"})
    own.pipe.cut()
    with own.checksums() as process:
        try:
            with pytest.raises(Exception):  # noqa: B017, PT011  # it must still be there after a while
                process.wait(timeout=3)
        finally:
            own.pipe.mend()
        until(lambda: len(known(own, model)) == 1, 40)


def test_a_killed_one_loses_no_more_than_its_lease(own, frozen, until):
    model = frozen({"a": os.urandom(300 * 2**20)})
    with own.checksums() as process:
        until(lambda: _is_held(own, model))
        process.kill()
        process.wait()
    assert known(own, model) == {}
    with own.checksums():
        until(lambda: len(known(own, model)) == 1, 40)


def _is_held(own, model):
    with sqlite3.connect(own.env["DATABASE_URL"].removeprefix("sqlite:///")) as database:
        query = "SELECT 1 FROM file WHERE model_id = ? AND holder IS NOT NULL"
        return database.execute(query, (model["ID"],)).fetchone()
