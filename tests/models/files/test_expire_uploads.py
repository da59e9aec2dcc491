"""Uploads in parts that nobody completed"""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from services.models.files.expire_uploads import expire_uploads
from services.models.tables import MIGRATIONS, Upload
from shared.database.migrations import migrate
from tests.support.waiting import wait_until

MODELS = "/api/v1/models"


@pytest.fixture
def expire(own, tables):
    """Let the uploads of a model end so soon, as the service's own tables say."""

    def expire(model, soon=timedelta(0)):
        with tables(own.environ["DATABASE_URL"]):
            end = datetime.now(UTC) + soon
            Upload.update(expires_at=end).where(Upload.model_id == model["ID"]).execute()

    return expire


def open_keys(bucket, model):
    return [found.key for found in bucket.list_uploads() if found.key.startswith(f"{model['storage_path']}/")]


def begin(own, model, path="a"):
    return own.call("POST", f"/{model['ID']}/uploads", json={"path": path, "size": 3}).json()["upload_id"]


def test_it_works(own, bucket, expire):
    old, fresh = own.model(), own.model()
    upload = begin(own, old)
    begin(own, fresh)
    expire(old)
    assert own.call("GET", f"/{old['ID']}/uploads/{upload}").status_code == 404
    with own.checksums():
        wait_until(lambda: open_keys(bucket, old) == [])
    assert len(open_keys(bucket, fresh)) == 1
    assert own.call("GET", f"/{fresh['ID']}/uploads").json()["total"] == 1


def test_an_expired_upload_keeps_no_model_from_getting_ready(own, expire):
    model = own.model()
    begin(own, model)
    expire(model)
    assert own.call("PUT", f"/{model['ID']}", json={"status": "ready", "allow_empty": True}).status_code == 200


def test_those_of_a_deleted_model_go_with_the_next_sweep(own, bucket):
    model = own.model()
    begin(own, model)
    own.call("DELETE", f"/{model['ID']}")
    with own.checksums():
        wait_until(lambda: open_keys(bucket, model) == [])


def open_ids(bucket, key):
    return {found.id for found in bucket.list_uploads() if found.key == key}


def test_what_nobody_knows_goes_after_a_day(bucket, new_database, database_kind, tables):
    key = f"unknown-{database_kind}/ä b+%41"
    known, unknown = bucket.begin_upload(key), bucket.begin_upload(key)
    now = datetime.now(UTC)
    with tables(new_database(database_kind)) as database:
        migrate(database, MIGRATIONS)
        facts = {"model_id": 1, "path": "a", "size": 1, "part_size": 1, "key": key, "store_id": known}
        Upload.create(**facts, expires_at=now + timedelta(days=2))
        expire_uploads(bucket, now)
        assert open_ids(bucket, key) == {known, unknown}
        expire_uploads(bucket, now + timedelta(hours=25))
    assert open_ids(bucket, key) == {known}


def test_who_asks_for_fresh_links_keeps_the_upload_alive(own, expire):
    model = own.model()
    upload = begin(own, model)
    expire(model, timedelta(hours=1))
    record = own.call("GET", f"/{model['ID']}/uploads/{upload}").json()
    assert datetime.fromisoformat(record["expires_at"]) > datetime.now(UTC) + timedelta(hours=23)
    assert "X-Amz-Expires=86400" in record["parts"][0]["url"]


def test_a_link_that_came_late_is_refused(own, bucket, store_server, expire):
    model = own.model()
    headers = {"X-Forwarded-Proto": "http", "Host": store_server.endpoint.removeprefix("http://")}
    record = own.call("POST", f"/{model['ID']}/uploads", json={"path": "a", "size": 3}, headers=headers).json()
    expire(model)
    with own.checksums():
        wait_until(lambda: open_keys(bucket, model) == [])
    assert requests.put(record["parts"][0]["url"], data=b"abc", timeout=10).status_code == 404
