"""The Hub's API at the gateway: at the root, beside everything else"""

import pytest
import requests


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/models/team/none", 404),
        ("GET", "/api/models/team/none/tree/main", 404),
        ("GET", "/team/none/resolve/main/a/b.json", 404),
        ("POST", "/team/none.git/info/lfs/objects/batch", 422),
        ("GET", "/api/whoami-v2", 200),
        ("GET", "/api/datasets/a/b", 501),
        ("GET", "/datasets/a/b/resolve/main/x", 501),
    ],
)
def test_it_gets_there(system, method, path, status):
    answer = requests.request(method, system.url + path, json={} if method == "POST" else None, timeout=20)
    assert answer.status_code == status
    assert "X-Request-ID" in answer.headers
    assert status == 200 or "X-Error-Message" in answer.headers


@pytest.mark.parametrize("path", ["/team/none", "/api/nothing", "/team/none/blob/main/a", "/a/resolve/main/x"])
def test_nothing_else_does(system, path):
    answer = requests.get(system.url + path, timeout=20)
    assert (answer.status_code, answer.json()["message"]) == (404, "There is nothing at this address.")
