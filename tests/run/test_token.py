"""`make token`: makes, lists and revokes tokens, in a file that nobody else may read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from run.parts import ROOT
from run.token_file import add_token, auth_secret, list_tokens, own_token, remove_token
from shared.auth.tokens import TokenFile
from shared.settings import SettingsError


@pytest.fixture
def make_token(tmp_path):
    """Run the Makefile's target in a folder of its own, with what it prints."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "run.txt").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "run.stamp").touch()

    def make_token(*variables, **environ):
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
        command = ["make", "-s", "token", *variables]
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    return make_token


def test_it_works(make_token, tmp_path):
    made = make_token("NAME=alice", "SCOPES=read,write", "DAYS=90")
    token = made.stdout.strip()
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"td_[0-9A-Za-z]{43}", token)
    path = tmp_path / ".data" / "tokens.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text()
    found = TokenFile(path).find(token)
    assert (found.name, found.scopes) == ("alice", {"read", "write"})
    listed = make_token().stdout
    assert re.search(r"^alice +read,write +expires 20\d\d-", listed)
    assert token not in listed
    assert make_token("REVOKE=alice").returncode == 0
    assert TokenFile(path).find(token) is None
    assert "has no tokens" in make_token().stdout


def test_a_name_in_the_environment_makes_no_token(make_token, tmp_path):
    done = make_token(NAME="my-laptop", SCOPES="write", REVOKE="x")
    assert (done.returncode, "Nobody is asked" in done.stdout) == (0, True)
    assert not (tmp_path / ".data").exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (["NAME=a b"], "NAME='a b' must be of"),
        (["NAME=bob", "SCOPES=admin"], "must be some of read, write, kernel"),
        (["NAME=bob", "DAYS=0"], "DAYS=0"),
        (["NAME=bob", "DAYS=soon"], "DAYS='soon': must be a whole number"),
        (["REVOKE=nobody"], "there is no token nobody"),
    ],
)
def test_it_rejects(make_token, tmp_path, variables, said):
    done = make_token(*variables)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert said in done.stderr
    assert not (tmp_path / ".data" / "tokens.toml").exists()


def test_it_rejects_a_second_of_the_same_name(tmp_path):
    path = tmp_path / "tokens.toml"
    add_token(path, "alice", ["read"], None)
    with pytest.raises(SettingsError, match="REVOKE=alice"):
        add_token(path, "alice", ["write"], None)
    assert len(list_tokens(path)) == 1


def test_an_invalid_file_is_left_as_it_is(tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text("[[token]")
    for change in (lambda: add_token(path, "alice", ["read"], None), lambda: remove_token(path, "alice")):
        with pytest.raises(SettingsError):
            change()
    assert path.read_text() == "[[token]"


def test_our_own_token_is_kept_and_made_anew_once_revoked(tmp_path):
    path, secret = tmp_path / "tokens.toml", tmp_path / "kernel-token"
    path.touch()
    token = own_token(path, secret, "example", ["kernel"])
    assert own_token(path, secret, "example", ["kernel"]) == token
    assert secret.stat().st_mode & 0o777 == 0o600
    remove_token(path, "example")
    another = own_token(path, secret, "example", ["kernel"])
    assert another != token
    assert TokenFile(path).find(another).name == "example"


def test_a_token_of_somebody_else_with_our_name_stops_the_start(tmp_path):
    path, secret = tmp_path / "tokens.toml", tmp_path / "kernel-token"
    theirs = add_token(path, "example", ["write"], None)
    with pytest.raises(SettingsError, match="EXAMPLE_KERNEL=0"):
        own_token(path, secret, "example", ["kernel"])
    assert TokenFile(path).find(theirs) is not None


def test_the_secret_is_made_once(tmp_path):
    path = Path(tmp_path / "auth-secret")
    assert auth_secret(path) == auth_secret(path)
    assert len(auth_secret(path)) >= 32


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_make_run_does_not_start_beyond_loopback_without_tokens(tmp_path, host):
    environ = {**os.environ, "DATA_DIR": str(tmp_path), "HOST": host}
    done = subprocess.run(
        [sys.executable, "-m", "run"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "make token NAME=you" in done.stderr
    assert "ALLOW_ANONYMOUS=1" in done.stderr
