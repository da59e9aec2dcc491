"""Repositories are read by the Hub's client: snapshot_download, hf_hub_download, `hf download`"""

import json
from pathlib import Path

import pytest

from tests.foreign.hub.conftest import FILES, NAMES, WEIGHTS, HubClient, make_repo

SNAPSHOT = "snapshot_download(arg[0], **json.loads(arg[1]) if len(arg) > 1 else {})"


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def require_whole(folder):
    assert names_in(folder) == NAMES
    for path, content in FILES.items():
        name = path.removeprefix("lora_adapters/").removeprefix("gguf/")
        assert (Path(folder) / name).read_bytes() == content


def test_it_works(client, repo):
    require_whole(client.eval(SNAPSHOT, repo))


def test_by_the_command(client, repo, tmp_path):
    client.hf("download", repo, "--local-dir", tmp_path / "here")
    assert (tmp_path / "here/adapter_model.safetensors").read_bytes() == WEIGHTS


def test_what_is_cached_is_not_sent_again(client, repo, pipe):
    client.eval(SNAPSHOT, repo)
    before = pipe.passed
    require_whole(client.eval(SNAPSHOT, repo))
    assert pipe.passed - before < 20_000
    assert client.eval("hf_hub_download(arg[0], 'adapter_model.safetensors')", repo)
    assert pipe.passed - before < 40_000


def test_an_interrupted_download_goes_on(client, system, pipe):
    """In the same call since 1.0, in the next one before: that keeps what it wrote, ten megabytes at a time."""
    content = WEIGHTS * 8
    repo = make_repo(system, {"lora_adapters/w": content})["repo_id"]
    pipe.cut(after=15_000_000)
    call = "hf_hub_download(arg[0], 'w')"
    path = client.eval(call, repo)
    if "raised" in path:
        path = client.eval(call, repo)
    assert Path(path).read_bytes() == content
    assert len(content) < pipe.passed < 31_000_000


def test_force_download_has_it_sent_again(client, repo, pipe):
    client.eval(SNAPSHOT, repo)
    before = pipe.passed
    require_whole(client.eval(SNAPSHOT, repo, '{"force_download": true}'))
    assert pipe.passed - before > len(WEIGHTS)


def test_only_what_a_pattern_allows_is_sent(client, repo, pipe):
    folder = client.eval(SNAPSHOT, repo, json.dumps({"allow_patterns": ["*.json", "tokenizer/*"]}))
    assert names_in(folder) == ["adapter_config.json", "tokenizer/vocab.txt"]
    assert pipe.passed < 100_000


def test_two_fill_one_cache_at_once(client, repo):
    started = [client.start_eval(SNAPSHOT, repo) for _ in range(2)]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        require_whole(json.loads(out.splitlines()[-1]))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("snapshot_download('team/none')", "RepositoryNotFoundError"),
        ("hf_hub_download('team/none', 'a')", "RepositoryNotFoundError"),
        ("snapshot_download(arg[0], revision='v1')", "RevisionNotFoundError"),
        ("hf_hub_download(arg[0], 'a', revision='0' * 40)", "RevisionNotFoundError"),
        ("hf_hub_download(arg[0], 'none.bin')", "EntryNotFoundError"),
        ("list(HfApi().list_repo_tree(arg[0], 'none'))", "EntryNotFoundError"),
    ],
)
def test_what_is_not_there_is_said_to_be_so(client, repo, call, error):
    assert error in client.eval(call, repo)["raised"]


def test_the_rest_of_what_reads(client, repo):
    call = """(lambda api: {
        "files": api.list_repo_files(arg[0]),
        "tree": [entry.path for entry in api.list_repo_tree(arg[0], recursive=True)],
        "paths": [entry.path for entry in api.get_paths_info(arg[0], ["tokenizer", "README.md", "none"])],
        "refs": [branch.target_commit for branch in api.list_repo_refs(arg[0]).branches],
        "sha": api.model_info(arg[0]).sha,
        "sizes": {file.rfilename: file.size for file in api.model_info(arg[0], files_metadata=True).siblings},
        "exists": [api.file_exists(arg[0], "README.md"), api.file_exists(arg[0], "none"), api.repo_exists("team/none")],
    })(HfApi())"""
    found = client.eval(call, repo)
    assert "raised" not in found, found
    assert found["files"] == NAMES
    assert sorted(found["tree"]) == sorted([*NAMES, "tokenizer"])
    assert sorted(found["paths"]) == ["README.md", "tokenizer"]
    assert found["refs"] == [found["sha"]]
    assert found["sizes"]["adapter_model.safetensors"] == len(WEIGHTS)
    assert found["exists"] == [True, False, False]


def test_a_token_of_ours_is_theirs(python, guarded, tmp_path):
    client = HubClient(python, tmp_path / "home", guarded.url)
    repo = make_repo(guarded)["repo_id"]
    require_whole(client.eval(SNAPSHOT, repo, HF_TOKEN=guarded.reader))
    assert client.eval("whoami()['name']", HF_TOKEN=guarded.token) == "alice"
    for environ in ({}, {"HF_TOKEN": "td_wrong"}):
        refused = HubClient(python, tmp_path / "other", guarded.url).eval(SNAPSHOT, repo, **environ)
        assert "401" in refused["message"], refused


def test_a_token_that_nobody_asks_for_does_no_harm(client, repo):
    require_whole(client.eval(SNAPSHOT, repo, HF_TOKEN="hf_of_somewhere_else"))
