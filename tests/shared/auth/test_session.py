"""POST, GET and DELETE /api/v1/session: the console's cookie, and what a foreign page cannot do with it."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
import requests

SESSION = "/api/v1/session"
SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def url(guarded):
    return guarded.urls["gateway"]


@pytest.fixture
def console(guarded):
    return guarded.session(guarded.admin, "gateway")


def test_it_works(guarded, url):
    session = requests.Session()
    assert session.get(f"{url}/api/v1/jobs", timeout=10).status_code == 401
    answer = session.post(url + SESSION, json={"token": guarded.admin}, timeout=10)
    record = answer.json()
    assert (answer.status_code, record["name"], record["scopes"]) == (200, "admin", ["read", "write"])
    assert session.get(f"{url}/api/v1/jobs", timeout=10).status_code == 200
    assert session.get(f"{url}/api/v1/models", timeout=10).status_code == 200
    assert session.get(f"{url}/api/v1/evaluations", timeout=10).status_code == 200
    shown = session.get(url + SESSION, timeout=10)
    assert shown.json() == record | {"authentication": True}
    assert shown.headers["Cache-Control"] == "no-store"
    assert session.post(f"{url}/api/v1/jobs", json={"dataset_id": 1}, headers=SAME, timeout=10).status_code == 201
    assert session.delete(url + SESSION, headers=SAME, timeout=10).status_code == 200
    assert session.get(f"{url}/api/v1/jobs", timeout=10).status_code == 401


def test_the_cookie_is_kept_from_scripts_other_sites_and_other_ports(guarded, url):
    answer = requests.post(url + SESSION, json={"token": guarded.admin}, timeout=10)
    ((name, cookie),) = SimpleCookie(answer.headers["Set-Cookie"]).items()
    assert name == f"tunedeck-{url.rpartition(':')[2]}"
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/", "")
    assert guarded.admin not in answer.headers["Set-Cookie"]
    https = {"X-Forwarded-Proto": "https", "Host": "tunedeck.example"}
    answer = guarded.call("logs", "POST", SESSION, json={"token": guarded.admin}, headers=https)
    ((name, cookie),) = SimpleCookie(answer.headers["Set-Cookie"]).items()
    assert (name, cookie["secure"]) == ("tunedeck-443", True)


def test_it_says_who_asks_without_a_cookie_too(guarded, url):
    nobody = requests.get(url + SESSION, timeout=10)
    assert nobody.status_code == 200
    assert nobody.json() == {"authentication": True, "name": None, "scopes": [], "expires_at": None}
    assert guarded.call("gateway", "GET", SESSION, "td_garbage").json()["name"] is None
    assert guarded.call("gateway", "GET", SESSION, guarded.admin).json()["name"] == "admin"


@pytest.mark.parametrize("token", ["", "td_garbage", "ü", "x" * 10_000])
def test_it_rejects_a_token_that_is_not_known(guarded, token):
    answer = guarded.call("gateway", "POST", SESSION, json={"token": token})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": "x", "more": 1}])
def test_it_rejects_a_bad_body(guarded, body):
    assert guarded.call("gateway", "POST", SESSION, json=body).status_code == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "OURS"}, 403),
        ({"Origin": "OURS"}, 201),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_a_write_by_cookie_comes_from_a_page_of_ours(console, url, headers, status):
    sent = {name: value.replace("OURS", url) for name, value in headers.items()}
    answer = console.post(f"{url}/api/v1/jobs", json={"dataset_id": 1}, headers=sent, timeout=10)
    assert answer.status_code == status, answer.text
    assert console.get(f"{url}/api/v1/jobs", headers=sent, timeout=10).status_code == 200


def test_a_cookie_that_was_touched_or_is_another_port_s_is_none(console, url):
    ((name, value),) = console.cookies.items()
    for cookies in ({name: value[:-1]}, {name: value + "x"}, {"tunedeck-1": value}, {name: ""}, {name: "a.b.c"}):
        assert requests.get(f"{url}/api/v1/jobs", cookies=cookies, timeout=10).status_code == 401


def test_it_dies_with_its_token(guarded, url):
    token = guarded.tokens.add("browser", "read")
    path = "/api/v1/jobs"
    guarded.tokens.wait_until_read()
    session = guarded.session(token, "gateway")
    assert session.get(url + path, timeout=10).status_code == 200
    guarded.tokens.remove("browser")
    guarded.tokens.wait_until_read()
    assert {session.get(url + path, timeout=10).status_code for _ in range(20)} == {401}
    assert session.get(url + SESSION, timeout=10).json()["name"] is None


def test_a_session_ends_with_a_token_that_ends_sooner(guarded):
    token = guarded.tokens.add("until-2999", "read", expires_at="2999-01-01T00:00:00Z")
    guarded.tokens.wait_until_read()
    record = guarded.call("logs", "POST", SESSION, json={"token": token}).json()
    assert record["expires_at"] < "2999"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_page_fires_no_write_also_where_authentication_is_off(logs, guarded, site):
    for path in ("/api/v1/jobs", "/api/v1/session"):
        answer = logs.post(path, json={"dataset_id": 1}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert logs.get("/api/v1/jobs", headers={"Sec-Fetch-Site": site}).status_code == 200
    for path in ("/api/v1/evaluations/1/cancel", "/api/v1/evaluations/1/retry"):
        headers = {"Sec-Fetch-Site": site, "Origin": "http://evil.example"}
        assert guarded.call("evaluations", "POST", path, guarded.admin, headers=headers).status_code == 403


def test_where_authentication_is_off_it_says_so(logs):
    shown = {"authentication": False, "name": None, "scopes": ["kernel", "read", "write"], "expires_at": None}
    assert logs.get(SESSION).json() == shown
    answer = logs.post(SESSION, json={"token": "x"})
    assert (answer.status_code, answer.json()) == (200, shown)
    assert "Set-Cookie" not in answer.headers
