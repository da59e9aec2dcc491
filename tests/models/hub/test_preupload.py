"""POST /api/models/:namespace/:name/preupload/main"""

import pytest

from tests.models.hub.pushes import sha256

MIB = 2**20


def ask(models, repo_id, *files, query="", **fields):
    body = {"files": [{"path": path, "size": size, "sample": "eA=="} for path, size in files], **fields}
    return models.post(f"/api/models/{repo_id}/preupload/main{query}", json=body)


def modes(answer):
    assert answer.status_code == 200, answer.text
    return [(file["path"], file["uploadMode"], file["oid"]) for file in answer.json()["files"]]


def test_it_works(models, pushed):
    repo_id = pushed({"same": b"same", "grows": b"g", "empty": b""})
    files = [("same", 4), ("grows", 2), ("new", 10), ("empty", 0), ("large", 5 * MIB + 1)]
    assert modes(ask(models, repo_id, *files, gitIgnore="*.tmp")) == [
        ("same", "lfs", sha256(b"same")),
        ("grows", "regular", None),
        ("new", "regular", None),
        ("empty", "regular", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        ("large", "lfs", None),
    ]


def test_what_comes_with_the_commit_fits_into_it(models, create):
    """The smallest ones come within it."""
    files = [(f"f{number}", 3 * MIB + number) for number in range(10)]
    answer = modes(ask(models, create()["repo_id"], *files))
    assert [path for path, mode, _ in answer if mode == "regular"] == ["f0", "f1", "f2"]


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ([("../x", 1)], "files.0.path"),
        ([("a", -1)], "files.0.size"),
        ([("a", None)], "files.0.size"),
        ([("a", 1), ("CON", 1)], "files.1.path"),
    ],
)
def test_it_rejects_a_bad_file(models, create, files, field):
    answer = ask(models, create()["repo_id"], *files)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_pull_requests_and_branches_are_not_there(models, create):
    repo_id = create()["repo_id"]
    assert ask(models, repo_id, ("a", 1), query="?create_pr=1").status_code == 501
    answer = models.post(f"/api/models/{repo_id}/preupload/refs%2Fpr%2F1", json={"files": []})
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")
