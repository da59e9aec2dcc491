"""The inference server, asked over real HTTP."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.kernel import formats, lora
from examples.kernel.model import Classifier
from examples.kernel.served_models import ServedModels
from examples.kernel.server import MAX_BODY, ChatServer

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "I love this wonderful garden"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def served_models(folder: Path, base: Classifier) -> ServedModels:
    served_models = ServedModels(folder, base)
    adapter = lora.new_adapter()
    formats.write(served_models.folder_of(1), "Model from Job 1", adapter, adapter.merged_into(base))
    served_models.add(1, "Model from Job 1")
    return served_models


@pytest.fixture(scope="module")
def port(served_models: ServedModels) -> Iterator[int]:
    with ChatServer("127.0.0.1", 0, served_models) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    yield connection
    connection.close()


def ask(connection: http.client.HTTPConnection, body: Any, path: str = CHAT) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body)
    connection.request("POST", path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.load(response)


def get(connection: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read()


def test_it_works(connection: http.client.HTTPConnection) -> None:
    system = {"role": "system", "content": "Answer with one label: positive, negative, neutral."}
    request = {
        "model": "example-base",
        "messages": [system, USER],
        "temperature": 0,
        "seed": 1,
        "max_tokens": 8,
    }
    status, answer = ask(connection, request)
    assert status == 200
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "positive"}
    assert answer["model"] == "example-base"
    assert answer["usage"] == {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 13}


def test_it_lists_its_models(connection: http.client.HTTPConnection) -> None:
    status, body = get(connection, "/v1/models")
    answer = json.loads(body)
    assert status == 200
    assert answer["object"] == "list"
    assert [model["id"] for model in answer["data"]] == ["example-base", "Model from Job 1"]


def test_it_keeps_to_the_labels_that_the_system_message_lists(connection: http.client.HTTPConnection) -> None:
    system = {"role": "system", "content": "Labels: Negative or Neutral"}
    _, answer = ask(connection, {"model": "example-base", "messages": [system, USER]})
    assert answer["choices"][0]["message"]["content"] in {"negative", "neutral"}


def test_a_content_may_come_in_parts(connection: http.client.HTTPConnection) -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": USER["content"]}]}
    assert ask(connection, {"model": "Model from Job 1", "messages": [parts]})[0] == 200


def test_it_rejects_an_unknown_model(connection: http.client.HTTPConnection) -> None:
    status, answer = ask(connection, {"model": "llama3.2:3b", "messages": [USER]})
    assert status == 404
    assert answer == {
        "error": {
            "message": "The model 'llama3.2:3b' does not exist. Known: 'example-base', 'Model from Job 1'",
            "type": "invalid_request_error",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"null",
        {},
        {"model": 1, "messages": [USER]},
        {"model": "example-base"},
        {"model": "example-base", "messages": []},
        {"model": "example-base", "messages": "hello"},
        {"model": "example-base", "messages": ["hello"]},
        {"model": "example-base", "messages": [{"role": "user"}]},
        {"model": "example-base", "messages": [{"role": "user", "content": None}]},
        {"model": "example-base", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"model": "example-base", "messages": [{"role": "system", "content": "hello"}]},
        {"model": "example-base", "messages": [USER], "stream": True},
    ],
)
def test_it_rejects_a_bad_request(connection: http.client.HTTPConnection, body: Any) -> None:
    status, answer = ask(connection, body)
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "code"}
    assert get(connection, "/healthz")[0] == 200, "the connection is still in step"


def test_an_unpaired_surrogate_is_only_a_strange_text(connection: http.client.HTTPConnection) -> None:
    body = b'{"model": "example-base", "messages": [{"role": "user", "content": "\\ud800 fine"}]}'
    assert ask(connection, body)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", CHAT, 405), ("DELETE", "/v1/models", 405), ("HEAD", "/healthz", 200)],
)
def test_it_knows_its_paths(connection: http.client.HTTPConnection, method: str, path: str, status: int) -> None:
    assert get(connection, path, method)[0] == status


def test_it_rejects_what_is_too_long(connection: http.client.HTTPConnection) -> None:
    connection.putrequest("POST", CHAT)
    connection.putheader("Content-Length", str(MAX_BODY + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (413, "close")
    assert json.load(response)["error"]["code"] == "too_large"


@pytest.mark.parametrize("request_bytes", [b"nonsense\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"])
def test_it_rejects_what_is_hardly_http(connection: http.client.HTTPConnection, request_bytes: bytes) -> None:
    with socket.create_connection((connection.host, connection.port), timeout=30) as raw:
        raw.sendall(request_bytes)
        assert b'"invalid_request_error"' in b"".join(iter(lambda: raw.recv(4096), b""))


def test_models_are_found_again_after_a_restart(served_models: ServedModels, folder: Path, base: Classifier) -> None:
    served_models.folder_of(2).mkdir()  # one whose publication was interrupted
    again = ServedModels(folder, base)
    assert again.names() == served_models.names() == ["example-base", "Model from Job 1"]
