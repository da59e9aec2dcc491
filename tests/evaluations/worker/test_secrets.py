"""No secret reaches an answer, a row or a log, whatever the inference server says and whatever breaks."""

import json

import pytest

from tests.support.databases import only_on

pytestmark = only_on("postgresql")

SECRETS = ("sk-very-secret-key", "hunter2", "tenant-secret")


@pytest.fixture
def start_with_secrets(start_worker, inference):
    """Start a worker whose URL and key are full of secrets."""

    def start_with_secrets(key="sk-very-secret-key"):
        url = inference.url.replace("http://", "http://someone:hunter2@") + "?api-version=tenant-secret"
        return start_worker(INFERENCE_URL=url, INFERENCE_API_KEY=key)

    return start_with_secrets


def test_a_key_from_a_file_with_its_line_end_works(start_worker, inference, test_set, evaluate, ended):
    evaluation = evaluate(test_set)
    start_worker(INFERENCE_API_KEY="sk-very-secret-key\r\n")

    assert ended(evaluation)["status"] == "completed"
    assert inference.keys == {"Bearer sk-very-secret-key"}


def test_user_password_and_query_are_sent_and_not_shown(start_with_secrets, inference, test_set, evaluate, ended):
    evaluation = evaluate(test_set)
    worker = start_with_secrets(key="")
    record = ended(evaluation)

    assert record["status"] == "completed"
    assert inference.keys == {"Basic c29tZW9uZTpodW50ZXIy"}
    assert inference.queries == {"api-version=tenant-secret"}
    assert not [secret for secret in SECRETS if secret in json.dumps(record) + worker.log]


@pytest.mark.parametrize("status", [401, 400])
def test_what_the_server_repeats_is_not_shown(start_with_secrets, inference, test_set, evaluate, ended, status):
    said = "key sk-very-secret-key of http://someone:hunter2@host/v1?api-version=tenant-secret is wrong, Bearer abcdef"
    inference.faults["base", "Hello"] = [lambda answer: answer.send(status, {"error": {"message": said}})]
    evaluation = evaluate(test_set)
    worker = start_with_secrets()
    record = ended(evaluation)

    assert f"{status}: key *** of http://host/v1 is wrong, Bearer ***" in record["error"]
    assert not [secret for secret in SECRETS if secret in json.dumps(record) + worker.log]


def test_nor_in_the_errors_of_rows(start_with_secrets, inference, new_set, rows, evaluate, ended, evaluations):
    rows = rows(4)
    said = {"error": "no such key: sk-very-secret-key"}
    inference.faults["tuned", rows[0][0]] = [lambda answer: answer.send(400, said)]
    evaluation = evaluate(new_set(rows), max_error_rate=1.0)
    start_with_secrets()
    record = ended(evaluation)

    assert record["results"]["errors"]["fine_tuned"]["http_400"]["message"] == "400: no such key: ***"
    assert not [secret for secret in SECRETS if secret in json.dumps(record)]
