"""What the Hub's API has and ours has not"""

import pytest

from tests.support.databases import one_database

pytestmark = one_database


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/datasets/a/b"),
        ("GET", "/api/datasets"),
        ("GET", "/datasets/a/b/resolve/main/x"),
        ("GET", "/api/spaces/a/b"),
        ("GET", "/api/models"),
        ("GET", "/api/models/a/b/discussions"),
        ("POST", "/api/models/a/b/discussions/1/merge"),
        ("POST", "/api/models/a/b/branch/dev"),
        ("PUT", "/api/models/a/b/settings"),
        ("DELETE", "/api/repos/delete"),
        ("POST", "/api/repos/move"),
    ],
)
def test_it_says_so(models, method, path):
    answer = models.request(method, path)
    assert answer.status_code == 501
    assert answer.headers["X-Error-Message"] == answer.json()["message"]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_token_for_xet_names_the_variable_that_does_without(models, kind):
    answer = models.get(f"/api/models/a/b/xet-{kind}-token/main")
    assert (answer.history[0].status_code, answer.status_code) == (307, 501)
    assert answer.url.endswith("HF_HUB_DISABLE_XET=1")
    assert "HF_HUB_DISABLE_XET=1" in answer.json()["message"]


def test_our_own_api_is_not_among_it(models):
    assert models.get("/api/v1/nothing").status_code == 404
    assert models.get("/api/nothing").status_code == 404
