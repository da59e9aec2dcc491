"""GET /api/models/:namespace/:name, …/revision/:revision and …/refs"""

import pytest

from tests.support.databases import on, one_database

NAMES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "notes.txt", "tiny-f16.gguf"]


def test_it_works(models, repo):
    answer = models.get(f"/api/models/{repo['repo_id']}")
    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["id"], shown["private"], shown["gated"], shown["tags"]) == (repo["repo_id"], False, False, [])
    assert len(shown["sha"]) == 40
    assert [file["rfilename"] for file in shown["siblings"]] == [*NAMES, "tokenizer/vocab.txt"]
    assert shown["lastModified"].endswith("Z")


@pytest.mark.parametrize("blobs", ["true", "True", "TRUE"])
def test_it_shows_blobs_in_any_case(models, repo, blobs):
    shown = models.get(f"/api/models/{repo['repo_id']}", params={"blobs": blobs}).json()
    sizes = {file["rfilename"]: (file["size"], file["lfs"]["size"]) for file in shown["siblings"]}
    assert sizes["adapter_model.safetensors"] == (700, 700)
    assert models.get(f"/api/models/{repo['repo_id']}", params={"blobs": "maybe"}).status_code == 422


def test_a_revision_is_main_or_the_commit(models, repo):
    url = f"/api/models/{repo['repo_id']}"
    sha = models.get(url).json()["sha"]
    for revision in ("main", sha, "refs%2Fheads%2Fmain"):
        assert models.get(f"{url}/revision/{revision}").json()["sha"] == sha
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": sha}
    assert models.get(f"{url}/refs").json()["branches"] == [branch]


@one_database
@pytest.mark.parametrize("revision", ["v1", "0" * 40, "refs%2Fpr%2F1", "main2", "MAIN"])
def test_it_rejects_an_unknown_revision(models, repo, revision):
    answer = models.get(f"/api/models/{repo['repo_id']}/revision/{revision}")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")
    assert "X-Error-Message" in answer.headers


@on("postgresql")
@pytest.mark.parametrize(
    "repo_id",
    [
        *("no/such", "tunedeck/model-0", "tunedeck/model-01", "tunedeck/model-9223372036854775807", "tunedeck/job-1x"),
        *("tunedeck/model-9223372036854775808", "tunedeck/job-9999999999999999999", "%ED%A0%80/x", "ä/ö"),
        *("tunedeck/model-%D9%A3", "a'/b", "x" * 300 + "/y"),
    ],
)
def test_it_rejects_an_unknown_repository(models, repo_id):
    for path in (f"/api/models/{repo_id}", f"/api/models/{repo_id}/refs", f"/{repo_id}/resolve/main/a"):
        answer = models.get(path)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound")
        assert set(answer.json()) == {"code", "status", "message"}


def test_the_same_files_make_the_same_commit_and_others_another(models, ready):
    # The card is made of the record: one of the model's own is the same for both.
    files = {"lora_adapters/a": b"a", "README.md": b"# M"}
    shas = [
        models.get(f"/api/models/{ready(content)['repo_id']}").json()["sha"]
        for content in (files, dict(reversed(files.items())), files | {"lora_adapters/a": b"b"})
    ]
    assert shas[0] == shas[1] != shas[2]


def test_one_that_is_not_ready_is_there_and_empty(models, create, upload):
    model = create()
    upload(model["ID"], {"lora_adapters/a": b"a"})
    shown = models.get(f"/api/models/{model['repo_id']}").json()
    assert (shown["siblings"], len(shown["sha"])) == ([], 40)
    answer = models.get(f"/{model['repo_id']}/resolve/main/README.md")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "EntryNotFound")
    assert answer.headers["X-Repo-Commit"] == shown["sha"]


def test_a_changed_model_is_another_revision_and_the_former_one_is_gone(models, repo):
    url = f"/api/models/{repo['repo_id']}"
    before = models.get(url).json()["sha"]
    models.put(f"/api/v1/models/{repo['ID']}", json={"description": "It has a new card now."})
    after = models.get(url).json()["sha"]
    assert after != before
    assert models.get(f"{url}/revision/{before}").headers["X-Error-Code"] == "RevisionNotFound"
    answer = models.head(f"/{repo['repo_id']}/resolve/{before}/notes.txt")
    assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RevisionNotFound")


def test_a_job_stands_for_its_newest_ready_model(models, create, ready):
    job = 7_000_000 + create()["ID"]
    assert models.get(f"/api/models/tunedeck/job-{job}").headers["X-Error-Code"] == "RepoNotFound"
    ready({"a": b"first"}, job_id=job)
    newest = ready({"a": b"second"}, job_id=job)
    create(job_id=job)
    shown = models.get(f"/api/models/tunedeck/job-{job}").json()
    assert shown["sha"] == models.get(f"/api/models/{newest['repo_id']}").json()["sha"]
    assert shown["id"] == f"tunedeck/job-{job}"


def test_a_model_of_its_own_name_has_that_alone(models, ready):
    model = ready({"a": b"a"}, repo_id=f"team/own-{ready({'a': b'a'})['ID']}")
    assert models.get(f"/api/models/{model['repo_id']}").status_code == 200
    assert models.get(f"/api/models/tunedeck/model-{model['ID']}").headers["X-Error-Code"] == "RepoNotFound"
