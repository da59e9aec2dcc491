"""POST /api/v1/tickets, and links with a ticket: one address, by GET and HEAD, for a time."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import requests

from shared.auth.caller import Caller
from shared.auth.signing import SecretSigner
from shared.auth.tickets import add_ticket
from tests.shared.auth.conftest import SECRET

TICKETS = "/api/v1/tickets"
FILES = {"lora_adapters/a.json": b"{}", "lora_adapters/b.bin": b"weights", "gguf/m.gguf": b"GGUF"}


@pytest.fixture
def ready(guarded):
    """A ready model of three files, through the gateway."""
    model = guarded.new_model(guarded.new_job())
    for path, content in FILES.items():
        put = guarded.call("models", "PUT", f"/api/v1/models/{model}/files/{path}", guarded.admin, data=content)
        assert put.status_code == 200, put.text
    answer = guarded.call("models", "PUT", f"/api/v1/models/{model}", guarded.admin, json={"status": "ready"})
    assert answer.status_code == 200, answer.text
    return model


@pytest.fixture
def ticket(guarded):
    """Ask for a ticket and return the whole answer."""

    def ticket(path, token=None, where="gateway", **fields):
        return guarded.call(where, "POST", TICKETS, token or guarded.admin, json={"path": path, **fields})

    return ticket


def test_it_works(guarded, ticket):
    answer = ticket("/api/v1/jobs?limit=1", expires_in=60)
    record = answer.json()
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert record["url"].startswith(f"{guarded.urls['gateway']}/api/v1/jobs?limit=1&ticket=")
    left = datetime.fromisoformat(record["expires_at"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=60)
    assert requests.get(record["url"], timeout=10).json()["limit"] == 1
    assert requests.head(record["url"], timeout=10).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/healthz"},
        {"path": "http://evil.example/api/v1/jobs"},
        {"path": "//evil.example/api/v1/jobs"},
        {"path": "/api/v1/../../secret"},
        {"path": "/api/v1/%2e%2e/jobs"},
        {"path": "/api/v1/jobs#fragment"},
        {"path": "/api/v1/jobs\n"},
        {"path": "/api/v1/jobs?ticket=x"},
        {"path": ""},
        {"path": "/api/v1/" + "a" * 2000},
        {"path": "/api/v1/jobs", "expires_in": 86_401},
        {"path": "/api/v1/jobs", "expires_in": 0},
        {"path": "/api/v1/jobs", "scope": "write"},
        {},
    ],
)
def test_it_rejects(guarded, fields):
    assert guarded.call("logs", "POST", TICKETS, guarded.admin, json=fields).status_code == 422


def test_it_opens_no_other_address_and_writes_nothing(guarded, ticket):
    job = guarded.new_job()
    made = f"/api/v1/jobs/{job}/logs"
    query = urlsplit(ticket(made).json()["url"]).query
    assert guarded.call("gateway", "GET", f"{made}?{query}&limit=5").status_code == 200
    for other in (f"/api/v1/jobs/{job}", f"{made}/download", "/api/v1/jobs", "/api/v1/models", f"{made}/"):
        assert guarded.call("gateway", "GET", f"{other}?{query}&limit=5").status_code in (401, 404)
    for method in ("POST", "DELETE"):
        assert guarded.call("gateway", method, f"{made}?{query}", json={"message": "x"}).status_code == 401
    assert guarded.call("gateway", "GET", f"{made}?{query}&{query}&limit=5").status_code == 401
    assert guarded.call("gateway", "GET", f"{made}?{query}x&limit=5").status_code == 401
    assert guarded.call("gateway", "GET", f"{made}?ticket=&limit=5").status_code == 401


def test_it_is_for_the_include_that_it_was_made_for(guarded, ticket, ready):
    path = f"/api/v1/models/{ready}/download"
    made = ticket(f"{path}?include=lora_adapters").json()["url"]
    archive = zipfile.ZipFile(io.BytesIO(requests.get(made, timeout=10).content))
    assert {name.partition("/")[2].partition("/")[0] for name in archive.namelist()} == {"lora_adapters"}
    query = urlsplit(made).query.partition("&")[2]
    for wider in ("", "include=gguf&", "include=lora_adapters&include=gguf&"):
        assert guarded.call("gateway", "GET", f"{path}?{wider}{query}").status_code == 401
    whole = ticket(path).json()["url"]
    assert requests.get(whole, timeout=10).status_code == 200
    assert requests.get(f"{whole}&exclude=gguf", timeout=10).status_code == 401


def test_download_links_open_as_they_stand(guarded, ready):
    detail = guarded.call("gateway", "GET", f"/api/v1/models/{ready}", guarded.admin).json()
    links = detail["download_links"]
    assert requests.get(links["gguf"], timeout=10).content == b"GGUF"
    assert requests.head(links["lora_adapters"], timeout=10).status_code in (200, 503)
    answer = requests.get(links["lora_adapters"], timeout=10)
    assert answer.status_code == 200
    assert "ticket" in links["lora_adapters"]
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert requests.get(links["lora_adapters"].partition("&ticket=")[0], timeout=10).status_code == 401
    assert "ticket=" not in answer.headers.get("Content-Location", "")


def test_the_links_of_a_job_s_own_token_are_for_that_job(guarded, ready):
    job = guarded.call("models", "GET", f"/api/v1/models/{ready}", guarded.admin).json()["model"]["job_id"]
    token = guarded.job_token(job)
    links = guarded.call("gateway", "GET", f"/api/v1/models/{ready}", token).json()["download_links"]
    assert requests.get(links["lora_adapters"], timeout=10).status_code == 200
    assert guarded.call("gateway", "POST", TICKETS, token, json={"path": "/api/v1/jobs"}).status_code == 403


def test_it_dies_with_the_token_of_whoever_asked_for_it(guarded, ticket):
    maker = guarded.tokens.add("ticket-maker", "read")
    guarded.tokens.wait_until_read()
    url = ticket("/api/v1/jobs", maker).json()["url"]
    assert requests.get(url, timeout=10).status_code == 200
    guarded.tokens.remove("ticket-maker")
    guarded.tokens.wait_until_read()
    assert {requests.get(url, timeout=10).status_code for _ in range(20)} == {401}


def test_it_is_good_until_its_time(guarded):
    signer, maker = SecretSigner(SECRET), Caller("admin", frozenset(), guarded.tokens.entries["admin"][0][:16])
    for seconds, status in ((60, 200), (-1, 401)):
        path = add_ticket(signer, maker, "/api/v1/jobs", datetime.now(UTC) + timedelta(seconds=seconds))
        assert guarded.call("logs", "GET", path).status_code == status


def test_a_path_with_escapes_is_opened_by_its_ticket(guarded, ticket):
    model = guarded.new_model()
    path = f"/api/v1/models/{model}/files/a%20b%2Fü%25.bin"
    put = guarded.call("models", "PUT", path, guarded.admin, data=b"x")
    assert put.status_code == 200, put.text
    assert guarded.call("gateway", "GET", path).status_code == 401
    made = requests.get(ticket(path).json()["url"], allow_redirects=False, timeout=10)
    assert made.status_code in (302, 503), made.text


def test_it_is_the_bare_path_where_authentication_is_off(logs):
    made = logs.post(TICKETS, json={"path": "/api/v1/jobs?limit=1"}).json()
    assert made["url"] == "http://localhost:8080/api/v1/jobs?limit=1"
    assert logs.get("/api/v1/jobs?limit=1&ticket=of-another-time").status_code == 200
