"""POST /api/v1/models/:id/evaluate"""

import io
import uuid

import pytest

from run.settings import free_port
from shared.s3.bucket import Bucket
from shared.s3.client import connect
from tests.support.databases import one_database

MODELS = "/api/v1/models"


@pytest.fixture
def post(evaluations):
    def post(model, **body):
        return evaluations.post(f"{MODELS}/{model}/evaluate", json=body)

    return post


def test_it_works(evaluations, ready_model, new_set):
    path = new_set([("a", "b")], "test_split.json")
    body = {"test_set_path": path, "base_model_name": "llama3.2:3b"}
    model = ready_model()
    answer = evaluations.post(f"{MODELS}/{model}/evaluate", json=body)

    assert answer.status_code == 202
    created = answer.json()
    number = created["evaluation_id"]
    assert created == {"evaluation_id": number, "status": "pending", "message": "Evaluation job created"}
    assert answer.headers["Location"] == f"/api/v1/evaluations/{number}"
    record = evaluations.get(answer.headers["Location"]).json()
    assert (record["test_set_path"], record["base_model_name"]) == (path, "llama3.2:3b")
    assert (record["model_id"], record["fine_tuned_name"]) == (model, "Model from Job 1")


def test_it_defaults_to_the_names_of_the_model(models, post, ready_model, test_set, show):
    model = ready_model(name="Shown", base_model="llama-3.2-3b", served_name="served")
    models.put(f"{MODELS}/{model}", json={"name": "Shown now"})
    record = show(post(model, test_set_path=test_set).json()["evaluation_id"])

    assert record["base_model_name"] == "llama-3.2-3b"
    assert (record["fine_tuned_name"], record["fine_tuned_served_name"]) == ("Shown now", "served")


def test_it_takes_another_served_name(post, ready_model, test_set, show):
    answer = post(ready_model(), test_set_path=test_set, fine_tuned_served_name="other:latest")

    assert show(answer.json()["evaluation_id"])["fine_tuned_served_name"] == "other:latest"


def test_it_takes_a_model_of_ours_as_the_base_or_none(evaluations, post, ready_model, test_set, show):
    base = ready_model(served_name="the base")
    of_ours, named, alone = (
        show(post(ready_model(), test_set_path=test_set, **how).json()["evaluation_id"])
        for how in ({"base_model_id": base}, {"base_model_id": base, "base_model_name": "its name"}, {"base": None})
    )

    assert (of_ours["base_model_id"], of_ours["base_model_name"]) == (base, "the base")
    assert (named["base_model_id"], named["base_model_name"]) == (base, "its name")
    assert (alone["base_model_id"], alone["base_model_name"]) == (None, None)
    listed = evaluations.get("/api/v1/evaluations", params={"model_id": alone["model_id"]}).json()["data"]
    assert [each["base_model_name"] for each in listed] == [None]


def test_it_rejects_a_base_that_cannot_be_one(models, post, ready_model, test_set):
    model = ready_model()
    for base, status in ((999_999_999, 404), (ready_model(status="uploading"), 409), (model, 422)):
        answer = post(model, test_set_path=test_set, base_model_id=base)
        assert answer.status_code == status, answer.text
        assert answer.json()["message"]


@one_database
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base": "llama"}, "base"),
        ({"base": False}, "base"),
        ({"base": None, "base_model_name": "llama"}, "base_model_name"),
        ({"base": None, "base_model_id": 1}, "base_model_id"),
        ({"base": None, "reuse_base": True}, "reuse_base"),
        ({"reuse_base": "yes"}, "reuse_base"),
        ({"base": None, "scoring": {"rule": "judge", "model": "judge"}}, "scoring"),
        ({"base_model_id": 0}, "base_model_id"),
        ({"base_model_id": "1"}, "base_model_id"),
    ],
)
def test_it_rejects_what_is_no_base(post, ready_model, test_set, body, field):
    answer = post(ready_model(), test_set_path=test_set, **body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_it_takes_a_set_put_into_the_bucket_by_other_means(post, ready_model, store_settings):
    Bucket(connect(store_settings), "datasets").put("by-other-means", io.BytesIO(b"nonsense"))

    assert post(ready_model(), test_set_path="datasets/by-other-means").status_code == 202


def test_numbers_are_never_used_twice(new_evaluation):
    numbers = [new_evaluation() for _ in range(3)]

    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("model", ["999999999", str(2**63 - 1), str(2**63), "0", "-1", "x", "1.0", "%D9%A3"])
def test_it_rejects_an_unknown_model(post, test_set, model):
    answer = post(model, test_set_path=test_set)

    assert answer.status_code == 404
    assert answer.json()["message"]


@pytest.mark.parametrize("status", ["uploading", "error"])
def test_it_rejects_a_model_that_is_not_ready(models, post, ready_model, test_set, status):
    model = ready_model(status="uploading")
    if status == "error":
        models.put(f"{MODELS}/{model}", json={"status": "error"})
    answer = post(model, test_set_path=test_set)

    assert answer.status_code == 409
    assert status in answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [
        "datasets/none-such",
        "datasets/",
        "datasets",
        "/datasets/a",
        "models/a",
        "datasets/a/b",
        "datasets/../models/a",
        "datasets/..",
        "a.json",
        "",
        None,
        7,
        "datasets/" + "x" * 256,
        "datasets/\0",
        "datasets/\ud800",
    ],
)
def test_it_rejects_a_test_set_that_is_none(post, ready_model, path):
    answer = post(ready_model(), test_set_path=path)

    assert answer.status_code == 422, answer.text
    assert list(answer.json()["errors"]) == ["test_set_path"]


@one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_model_name", ""),
        ("base_model_name", "x" * 256),
        ("base_model_name", 1),
        ("base_model_name", "\0"),
        ("fine_tuned_served_name", ""),
        ("fine_tuned_served_name", ["a"]),
        ("scoring", "bleu"),
        ("scoring", 1),
        ("extract_label", "true"),
        ("extract_label", None),
        ("max_error_rate", 1.01),
        ("max_error_rate", -0.1),
        ("max_error_rate", True),
        ("max_error_rate", "0.1"),
        ("max_error_rate", None),
        ("model_id", 1),
        ("nonsense", 1),
    ],
)
def test_it_rejects_a_bad_field(evaluations, post, ready_model, test_set, field, value):
    before = evaluations.get("/api/v1/evaluations").json()["total"]
    answer = post(ready_model(), **{"test_set_path": test_set, field: value})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert evaluations.get("/api/v1/evaluations").json()["total"] == before


def test_it_rejects_labels_in_text(post, ready_model, test_set):
    answer = post(ready_model(), test_set_path=test_set, scoring="text", extract_label=True)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["extract_label"])


def test_it_rejects_a_missing_test_set(post, ready_model):
    answer = post(ready_model())

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["test_set_path"])


def test_it_rejects_what_is_no_json(evaluations, ready_model):
    url = f"{MODELS}/{ready_model()}/evaluate"

    assert evaluations.post(url, data="{").status_code == 415
    assert evaluations.post(url, data="{", headers={"Content-Type": "application/json"}).status_code == 400
    assert evaluations.post(url, json={"test_set_path": "x" * 2**20}).status_code == 413


@pytest.mark.faults
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_it_answers_503_while_the_models_service_is_away(evaluations, serve, test_set):
    nowhere = f"http://127.0.0.1:{free_port()}"
    alone = serve("evaluations", **evaluations.running.part.environ | {"MODELS_URL": nowhere})
    answer = alone.post(f"{MODELS}/1/evaluate", json={"test_set_path": test_set})
    alone.running.kill()

    assert (answer.status_code, answer.headers["Connection"]) == (503, "close")
    assert answer.headers["Retry-After"]
    assert answer.json()["message"] == "The models service does not answer."


def test_a_key_begins_one_evaluation(evaluations, ready_model, test_set):
    model, body = ready_model(), {"test_set_path": test_set}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, second = (evaluations.post(f"/api/v1/models/{model}/evaluate", json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (202, 202, first.json())
    assert second.headers["Idempotent-Replayed"] == "true"
    other = evaluations.post(f"/api/v1/models/{ready_model()}/evaluate", json=body, headers=key)
    assert other.status_code == 422
