"""GET /api/v1/evaluations/:id"""

import socket
import time

import pytest

MODELS = "/api/v1/models"
EVALUATIONS = "/api/v1/evaluations"
RESULTS = {"base_model": {"accuracy": 0.72}, "fine_tuned": {"accuracy": 0.89}}
EXAMPLE = {"input": "a", "expected": "b", "base_model_output": "c", "fine_tuned_output": "b"}
DOCUMENTED = [
    "id",
    "model_id",
    "status",
    "test_set_path",
    "base_model_name",
    "fine_tuned_name",
    "results",
    "examples",
    "started_at",
    "completed_at",
]


def test_it_works(evaluations, new_evaluation, put):
    number = new_evaluation()
    put(number, status="completed", results=RESULTS, examples=[EXAMPLE])
    answer = evaluations.get(f"{EVALUATIONS}/{number}")

    assert answer.status_code == 200
    record = answer.json()
    assert set(record) >= set(DOCUMENTED)
    assert "ID" not in record
    assert (record["id"], record["status"], record["progress"], record["error"]) == (number, "completed", None, None)
    assert record["results"]["base_model"] == {"accuracy": 0.72}
    assert record["examples"] == [
        EXAMPLE | {"base_model_correct": False, "fine_tuned_correct": True, "winner": "fine_tuned", "error": None}
    ]
    assert record["started_at"].endswith("Z")
    assert record["completed_at"].endswith("Z")


def test_a_pending_one_has_no_results_yet(show, new_evaluation):
    record = show(new_evaluation())

    assert (record["status"], record["results"], record["examples"]) == ("pending", None, [])
    assert (record["started_at"], record["completed_at"], record["error"]) == (None, None, None)


def test_it_shows_the_first_100_examples(show, new_evaluation, put):
    number = new_evaluation()
    examples = [EXAMPLE | {"input": str(row)} for row in range(101)]
    assert put(number, status="completed", results=RESULTS, examples=examples).status_code == 200

    assert [example["input"] for example in show(number)["examples"]] == [str(row) for row in range(100)]


@pytest.fixture
def model_of(models, ready_model):
    """Make a model ready with one file of such a content."""

    def model_of(content, model=None):
        model = model or ready_model(status="uploading")
        models.put(f"{MODELS}/{model}", json={"status": "uploading"})
        assert models.put(f"{MODELS}/{model}/files/lora_adapters/a.bin", data=content).status_code == 200
        assert models.put(f"{MODELS}/{model}", json={"status": "ready"}).status_code == 200
        return model

    return model_of


def test_it_is_stale_once_the_models_files_have_changed(model_of, models, evaluate, test_set, put, show):
    model = model_of(b"first")
    number = evaluate(test_set, model)
    assert show(number)["stale"] is None
    put(number, status="completed", results=RESULTS)
    assert show(number)["stale"] is False
    models.put(f"{MODELS}/{model}", json={"name": "Renamed"})
    assert show(number)["stale"] is False
    model_of(b"other", model)

    assert show(number)["stale"] is True


def test_it_is_not_known_to_be_stale_where_the_model_is_gone(models, ready_model, evaluate, test_set, put, show):
    model = ready_model()
    number = evaluate(test_set, model)
    put(number, status="completed", results=RESULTS)
    assert models.delete(f"{MODELS}/{model}").status_code == 200

    assert show(number)["stale"] is None


@pytest.mark.faults
@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_it_is_shown_while_the_models_service_hangs(evaluations, serve, new_evaluation, put):
    number = new_evaluation()
    put(number, status="completed", results=RESULTS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        alone = serve("evaluations", **evaluations.running.part.environ | {"MODELS_URL": url})
        began = time.monotonic()
        answer = alone.get(f"{EVALUATIONS}/{number}")
        took = time.monotonic() - began
        alone.running.kill()

    assert (answer.status_code, answer.json()["stale"]) == (200, None)
    assert 0.9 < took < 10


def test_an_outside_workers_results_have_no_provenance_of_ours(show, new_evaluation, put):
    number = new_evaluation()
    put(number, status="completed", results=RESULTS)

    assert show(number)["provenance"] is None


@pytest.mark.parametrize("number", ["999999999", str(2**63 - 1), str(2**63), "0", "-1", "x", "1.0", "%D9%A3", "1/"])
def test_it_rejects_an_unknown_number(evaluations, number):
    answer = evaluations.get(f"{EVALUATIONS}/{number}")

    assert answer.status_code == 404
    assert (answer.json()["code"], answer.json()["status"]) == (404, "Not Found")
    assert answer.json()["message"]
    assert answer.headers["X-Request-ID"]


def test_it_answers_head_and_rejects_other_methods(evaluations, new_evaluation):
    url = f"{EVALUATIONS}/{new_evaluation()}"

    assert evaluations.head(url).headers["Content-Length"] == evaluations.get(url).headers["Content-Length"]
    answer = evaluations.delete(url)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "HEAD", "PUT"}


def test_long_examples_are_cut_and_their_rows_are_linked(evaluations, new_evaluation, put, show):
    number = new_evaluation()
    texts = ["a" * 60_000, "b" * 60_000, "short"]
    examples = [{"input": text, "expected": "x", "base_model_output": None} for text in texts]
    results = {"base_model": {}, "fine_tuned": {}}
    assert put(number, status="completed", results=results, examples=examples).status_code == 200
    first, second, third = (record := show(number))["examples"]

    assert (first["input"], third["input"]) == (texts[0], "short")
    assert second["input"] == "b" * 200 + "…"
    assert [sorted({"url"} & set(example)) for example in (first, second, third)] == [[], ["url"], []]
    assert evaluations.get(second["url"]).json()["data"][0]["input"] == texts[1]
    # What was shown, sent back, is the same report.
    sent = {name: record[name] for name in ("status", "results", "examples")}
    assert put(number, **sent).status_code == 200
