"""The gateway in front of a real service and a real S3."""

from __future__ import annotations

import io
import os
import socket

import pytest
from minio import Minio

from run import parts
from run.settings import free_port, gateway_hosts
from tests.support.databases import one_database

pytestmark = one_database

ALLOWED = "http://console.example"


@pytest.fixture(scope="module")
def gateway(start_gateway, logs):
    return start_gateway(logs.url.removeprefix("http://"))


@pytest.fixture(scope="module")
def gateway_to_nobody(start_gateway):
    return start_gateway(f"127.0.0.1:{free_port()}")


@pytest.fixture(scope="module")
def start_gateway(start, logs, store_server, tmp_path_factory):
    """Start a gateway in front of a logs service, and return its client."""

    def start_gateway(logs_upstream):
        return type(logs)(_start_gateway(start, logs_upstream, store_server, tmp_path_factory.mktemp("gateway")))

    return start_gateway


def _start_gateway(start, logs_upstream, store_server, folder):
    port = free_port()
    nobody = f"127.0.0.1:{free_port()}"
    environ = {
        "LOGS_UPSTREAM": logs_upstream,
        "MODELS_UPSTREAM": nobody,
        "EVALUATIONS_UPSTREAM": nobody,
        "S3_UPSTREAM": store_server.endpoint,
        "CORS_ORIGINS": f"http://other.example, {ALLOWED}",
        "UPSTREAM_PATIENCE": "300ms",
    }
    start(parts.caddy(os.environ.get("CADDY_BIN"), folder, gateway_hosts(None), port, environ, ()))
    return f"http://localhost:{port}"


@pytest.fixture(scope="module")
def signer(gateway, store_server):
    """Sign links as the services do, for the address by which the client reaches the gateway."""
    return Minio(
        endpoint=gateway.url.removeprefix("http://"),
        access_key=store_server.access_key,
        secret_key=store_server.secret_key,
        region="us-east-1",
        secure=False,
    )


def path_of(link: str, gateway) -> str:
    return link.removeprefix(gateway.url)


def test_it_passes_requests_to_the_service(gateway, logs):
    job = gateway.post("/api/v1/jobs", json={"dataset_id": 1})

    assert job.status_code == 201
    assert logs.get(job.headers["Location"]).json() == job.json()
    assert "Server" not in job.headers


def test_it_passes_mlflow_s_requests_to_the_logs_service(gateway, logs):
    api = "/mlflow/api/2.0/mlflow"
    run = gateway.post(f"{api}/runs/create", json={"run_name": "by the gateway"}).json()["run"]["info"]["run_id"]

    assert logs.get(f"/api/v1/jobs/{run}").json()["name"] == "by the gateway"
    assert gateway.get(f"{api}/runs/search").json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_it_answers_unknown_paths_in_the_one_error_shape(gateway):
    for path in ("/api/v1", "/api/v1/nothing", "/api/v2/jobs", "/healthz", "/readyz", "/openapi.json"):
        answer = gateway.get(path)
        assert answer.status_code == 404
        assert answer.json() == {"code": 404, "status": "Not Found", "message": "There is nothing at this address."}
        assert answer.headers["X-Request-ID"]


def test_it_keeps_a_request_id_that_is_plain_and_replaces_others(gateway):
    assert gateway.get("/api/v1/jobs", headers={"X-Request-ID": "my-id.1"}).headers["X-Request-ID"] == "my-id.1"
    assert gateway.get("/api/v1/jobs", headers={"X-Request-ID": "a b"}).headers["X-Request-ID"] != "a b"


def test_it_tells_mlflow_in_its_own_words_that_the_service_is_away(gateway_to_nobody):
    answer = gateway_to_nobody.get("/mlflow/api/2.0/mlflow/runs/get?run_id=1")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_it_answers_503_for_a_service_that_is_away(gateway):
    answer = gateway.get("/api/v1/models")

    assert answer.status_code == 503
    assert answer.json()["code"] == 503
    assert answer.headers["Retry-After"] == "5"


def test_it_answers_400_for_a_badly_chunked_body(gateway):
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n"
        )
        assert b" 400 Bad Request" in client.recv(4096).split(b"\r\n")[0]


def test_it_answers_414_for_a_path_beyond_8000_bytes(gateway):
    answer = gateway.get("/api/v1/jobs/" + "a" * 9000)

    assert answer.status_code == 414
    assert answer.json()["code"] == 414


def test_cors_is_for_the_named_origins_also_on_errors(gateway):
    for path in ("/api/v1/jobs", "/api/v1/jobs/999999999", "/nothing", "/api/v1/models"):
        assert gateway.get(path, headers={"Origin": ALLOWED}).headers["Access-Control-Allow-Origin"] == ALLOWED
        refused = gateway.get(path, headers={"Origin": "http://evil.example"})
        assert "Access-Control-Allow-Origin" not in refused.headers


def test_cors_preflight_names_methods_and_headers(gateway):
    asked = {"Origin": ALLOWED, "Access-Control-Request-Method": "PUT"}

    answer = gateway.request("OPTIONS", "/api/v1/models/1", headers=asked)

    assert answer.status_code == 204
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    for name in ("Last-Event-ID", "Content-MD5", "Content-Digest", "X-Checksum-Sha256", "X-Amz-Checksum-Sha256"):
        assert name in answer.headers["Access-Control-Allow-Headers"]


def test_it_lets_a_signed_link_through_to_s3(gateway, signer, bucket):
    bucket.put("7/lora_adapters/a file é.bin", io.BytesIO(b"weights"))
    link = signer.presigned_get_object(bucket_name="models", object_name="7/lora_adapters/a file é.bin")

    answer = gateway.get(path_of(link, gateway))

    assert (answer.status_code, answer.content) == (200, b"weights")
    assert gateway.get(path_of(link, gateway) + "0").status_code == 403


@pytest.mark.parametrize("path", ["/models/7/lora_adapters/x", "/models/", "/models", "/datasets/x?X-Amz-Signature=a"])
def test_it_hides_s3_from_whoever_has_no_signature(gateway, path):
    assert gateway.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_it_refuses_other_methods_on_signed_paths(gateway, method):
    assert gateway.request(method, "/models/7/x?X-Amz-Signature=a").status_code == 405


def test_it_refuses_a_signed_write_that_would_copy(gateway, signer, bucket):
    bucket.put("7/secret", io.BytesIO(b"secret"))
    link = signer.get_presigned_url("PUT", "models", "7/copy", extra_query_params={"uploadId": "x", "partNumber": "1"})

    answer = gateway.put(path_of(link, gateway), headers={"x-amz-copy-source": "/models/7/secret"})

    assert answer.status_code == 404


def test_it_does_not_trust_forwarding_headers_of_clients(gateway, logs):
    """What reaches the service is the scheme and host that the client really used."""
    answer = gateway.get("/api/v1/jobs", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})

    assert answer.status_code == 200


def test_a_stream_of_a_service_that_is_away_is_told_to_come_back(start, store_server, tmp_path_factory, logs):
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    environ = dict.fromkeys(("LOGS_UPSTREAM", "MODELS_UPSTREAM", "EVALUATIONS_UPSTREAM"), nobody)
    environ |= {"S3_UPSTREAM": store_server.endpoint, "UPSTREAM_PATIENCE": "300ms"}
    folder = tmp_path_factory.mktemp("gateway")
    start(parts.caddy(os.environ.get("CADDY_BIN"), folder, ["127.0.0.1"], port, environ, ()))
    away = type(logs)(f"http://127.0.0.1:{port}")

    for path, accept in (("", "text/event-stream"), ("?tail=5", "*/*"), ("", None), ("?limit=5", "text/event-stream")):
        stream = away.get(f"/api/v1/jobs/1/logs{path}", headers={"Accept": accept})
        assert (stream.status_code, stream.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert stream.text.startswith("retry: 5000\n")
    for path, accept in (("?limit=5", "*/*"), ("?level=warn&after=3", None), ("", "application/json"), ("/x", "*/*")):
        page = away.get(f"/api/v1/jobs/1/logs{path}", headers={"Accept": accept})
        assert (page.status_code, page.headers["Retry-After"]) == (503, "5")


def test_what_is_refused_before_its_body_is_read_is_told_every_time(gateway):
    """The connection was closed amid one such answer in some hundreds."""
    text = {"Content-Type": "text/plain"}
    answers = [gateway.post("/api/v1/jobs", data=b"{}", headers=text) for _ in range(400)]

    assert {answer.status_code for answer in answers} == {415}
    assert all(answer.json()["code"] == 415 for answer in answers)


def test_replicas_are_found_by_dns(start, logs, store_server, tmp_path):
    """`localhost` has two addresses, of which one answers: what is sent to the other goes to the first."""
    port = free_port()
    here = f"localhost {logs.url.rpartition(':')[2]}"
    environ = dict.fromkeys(("LOGS_UPSTREAM", "MODELS_UPSTREAM", "EVALUATIONS_UPSTREAM"), here)
    environ |= {"S3_UPSTREAM": store_server.endpoint, "UPSTREAMS": "dynamic"}
    start(parts.caddy(os.environ.get("CADDY_BIN"), tmp_path, ["127.0.0.1"], port, environ, ()))
    gateway = type(logs)(f"http://127.0.0.1:{port}")
    for _ in range(10):
        assert gateway.post("/api/v1/jobs", json={"dataset_id": 1}).status_code == 201
        assert gateway.get("/api/v1/jobs").status_code == 200


def test_of_two_replicas_the_one_that_is_there_answers(start, logs, store_server, tmp_path):
    port = free_port()
    both = f"127.0.0.1:{free_port()} {logs.url.removeprefix('http://')}"
    environ = dict.fromkeys(("LOGS_UPSTREAM", "MODELS_UPSTREAM", "EVALUATIONS_UPSTREAM"), both)
    environ |= {"S3_UPSTREAM": store_server.endpoint}
    start(parts.caddy(os.environ.get("CADDY_BIN"), tmp_path, ["127.0.0.1"], port, environ, ()))
    gateway = type(logs)(f"http://127.0.0.1:{port}")
    for _ in range(10):
        assert gateway.post("/api/v1/jobs", json={"dataset_id": 1}).status_code == 201
