"""The stored plan of each freezing's archive: when it is made, whose it is, and that it is all a download needs"""

import io
import sqlite3
import threading
import uuid

import pytest

from services.models import files, plans, records
from services.models.frozen import read_manifest
from services.models.packed import pack
from services.models.tables import MIGRATIONS, File, PackedPlan, database
from shared.database import connection, migrate, open_database

FIELDS = {"name": "M", "base_model": "b", "type": "lora", "description": "", "training_metrics": {}}


@pytest.fixture(scope="module")
def migrated(new_database, database_kind):
    opened = open_database(new_database(database_kind))
    migrate(opened, MIGRATIONS)
    yield opened
    opened.close_all()


@pytest.fixture
def frozen(migrated, store):
    """Make a ready model of two objects whose checksums are not known."""
    database.initialize(migrated)
    with connection(database):
        path = f"plans-{uuid.uuid4().hex}"
        for name in ("a", "größe:1"):
            store.put(f"{path}/{name}", io.BytesIO(b"x"))
        yield records.create_model(store, "ready", storage_path=path, **FIELDS)


@pytest.fixture
def known(frozen, store):
    """The same model, frozen again when its checksums were known."""
    File.update(crc32=1, sha256="ab" * 32).where(File.model_id == frozen.id).execute()
    for status in ("uploading", "ready"):
        model = records.update_model(store, frozen.id, {"status": status})
    return model


def stored(model):
    """The stored plans of the model."""
    return list(PackedPlan.select().where(PackedPlan.model_id == model.id))


def test_it_works(known):
    manifest = read_manifest(known.id)
    packed = pack(manifest.model, manifest.rows, manifest.documents)
    assert plans.find_head(known) == packed[:2]
    plan = plans.load_plan(known)
    assert plan is plans.load_plan(known)  # for as long as one is in use
    assert (plan.archive.etag, plan.archive.length) == packed[:2]
    assert list(plan.paths) == ["a", "größe:1", "README.md", "metrics.json", "SHA256SUMS"]
    assert list(plan.names)[1] == "größe%3A1"
    assert [row.columns for row in stored(known)] == [packed.columns]


def test_there_is_none_before_all_is_known_or_while_the_files_may_change(frozen, store):
    assert stored(frozen) == []
    records.update_model(store, frozen.id, {"status": "uploading"})
    File.update(crc32=1, sha256="ab" * 32).where(File.model_id == frozen.id).execute()
    plans.make_plan(frozen.id)
    assert stored(frozen) == []


def test_it_is_of_one_freezing_alone(known, store):
    manifest = read_manifest(known.id)
    packed = pack(manifest.model, manifest.rows, manifest.documents)
    files.record_damage(known, f"{known.storage_path}/a", manifest.rows[0].etag, "damaged")
    damaged = records.find_model(known.id)
    assert plans.find_head(damaged) is None
    plans.store_plan(manifest, packed)  # by one that has read the files before
    plans.make_plan(known.id)  # by one that reads them now
    assert plans.find_head(damaged) is None
    for status in ("uploading", "ready"):
        again = records.update_model(store, known.id, {"status": status})
    assert (stored(again), plans.find_head(again)) == ([], None)  # its damaged file is to be read again


def test_one_of_another_version_is_not_used(known):
    PackedPlan.update(packing="tunedeck zip 1").where(PackedPlan.model_id == known.id).execute()
    assert plans.find_head(known) is None
    plans.make_plan(known.id)
    assert plans.find_head(known)


def test_several_may_make_it_at_once(known):
    PackedPlan.delete().where(PackedPlan.model_id == known.id).execute()
    makers = [threading.Thread(target=plans.make_plan, args=(known.id,)) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(stored(known)) == 1
    assert plans.find_head(known)


def test_it_goes_with_its_model(known, store):
    records.delete_model(store, known.id, purge=True)
    assert stored(known) == []


def execute(own, statement, model):
    with sqlite3.connect(own.env["DATABASE_URL"].removeprefix("sqlite:///"), timeout=5) as database:
        return database.execute(statement, (model["ID"],)).fetchall()


STORED = "SELECT etag FROM packed_plan WHERE model_id = ?"


@pytest.fixture
def downloaded(own):
    """Make a ready model in the tests' own service, download it, and give both."""
    model = own.model()
    for path in ("d/a", "d/b:c"):
        own.call("PUT", f"/{model['ID']}/files/{path}", data=path * 1000)
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    return model, own.call("GET", f"/{model['ID']}/download")


def test_a_download_needs_nothing_else(own, downloaded):
    model, answer = downloaded
    part = own.call("GET", f"/{model['ID']}/download?include=d")
    for table in ("file", "generated"):
        execute(own, f"DELETE FROM {table} WHERE model_id = ?", model)
    again = own.call("GET", f"/{model['ID']}/download")
    assert (again.headers["ETag"], again.content) == (answer.headers["ETag"], answer.content)
    ranged = own.call("GET", f"/{model['ID']}/download", headers={"Range": "bytes=500-"})
    assert (ranged.status_code, ranged.content) == (206, answer.content[500:])
    assert own.call("GET", f"/{model['ID']}/download?include=d").content == part.content
    assert own.call("GET", f"/{model['ID']}/download?include=d/b").status_code == 404


def test_who_finds_none_stores_it(own, downloaded):
    """As for a model that was frozen before there were plans."""
    model, answer = downloaded
    execute(own, "DELETE FROM packed_plan WHERE model_id = ?", model)
    again = own.call("HEAD", f"/{model['ID']}/download")
    assert again.headers["ETag"] == answer.headers["ETag"]
    assert execute(own, STORED, model) == [(answer.headers["ETag"],)]
