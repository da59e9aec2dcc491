"""The file of tokens: read again when it changes, and never half."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from shared.auth.tokens import LOOK_EVERY_S, TokenFile
from shared.settings import SettingsError
from tests.shared.auth.test_scopes import SETTINGS
from tests.support.waiting import wait_until


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def entry(name="alice", token="td_1", scopes='["read"]', more=""):
    return f'[[token]]\nname = "{name}"\nsha256 = "{digest(token)}"\nscopes = {scopes}\n{more}\n'


class Clock:
    now = 0.0

    def __call__(self):
        return self.now

    def advance(self):
        self.now += LOOK_EVERY_S


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.toml"


@pytest.fixture
def opened(path, clock):
    """Write the file and open it."""

    def opened(text):
        path.write_text(text)
        return TokenFile(path, clock=clock)

    return opened


def replace(path, text):
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def test_it_works(opened):
    tokens = opened(entry() + entry("bob", "td_2", '["read", "write"]'))
    assert tokens.find("td_1").name == "alice"
    assert tokens.find("td_2").scopes == {"read", "write"}
    assert tokens.find("td_3") is None
    assert tokens.find("") is None
    assert tokens.find("\udcff") is None


def test_a_change_counts_at_the_next_look_and_not_before(opened, path, clock):
    tokens = opened(entry())
    replace(path, entry("bob", "td_2"))
    assert tokens.find("td_1") is not None
    clock.advance()
    assert tokens.find("td_1") is None
    assert tokens.find("td_2").name == "bob"


@pytest.mark.parametrize("broken", ["[[token]", entry() + entry(), "[[token]]\nname = 1\n", "\0", entry(scopes="[]")])
def test_a_file_that_became_invalid_keeps_the_old_tokens_and_says_so_once(opened, path, clock, caplog, broken):
    tokens = opened(entry(token="td_good"))
    replace(path, broken)
    for _ in range(5):
        clock.advance()
        assert tokens.find("td_good") is not None
    assert len(caplog.records) == 1
    assert "still count" in caplog.text
    replace(path, entry(token="td_new"))
    clock.advance()
    assert tokens.find("td_good") is None
    assert tokens.find("td_new") is not None


def test_a_file_that_vanished_keeps_the_old_tokens(opened, path, clock):
    tokens = opened(entry())
    path.unlink()
    clock.advance()
    assert tokens.find("td_1") is not None


def test_an_empty_file_lets_nobody_in(opened):
    assert opened("").find("") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tokens = 1", "[[token]]"),
        ("token = 1", "[[token]]"),
        (entry(more="colour = 1"), "colour is unknown"),
        (entry("a b"), "name must be of"),
        (entry(scopes='["admin"]'), "scopes must be some of read, write, kernel"),
        (entry(scopes='"read"'), "scopes"),
        (entry(more="expires_at = 2026-01-01T00:00:00"), "offset"),
        (entry(more="expires_at = 5"), "offset"),
        (entry(more='expires_at = "soon"'), "expires_at"),
        (entry().replace(digest("td_1"), "td_1"), "sha256 must be 64 hex digits"),
    ],
)
def test_it_rejects_a_bad_file_at_the_start_and_names_what_is_wrong(opened, text, problem):
    with pytest.raises(SettingsError, match="TOKENS_FILE=") as raised:
        opened(text)
    assert problem in str(raised.value)


def test_it_rejects_a_missing_file(path):
    with pytest.raises(SettingsError, match="No such file"):
        TokenFile(path)


def test_it_knows_times_of_both_kinds(opened):
    tokens = opened(
        entry("a", "td_a", more="expires_at = 2020-01-01T00:00:00Z")
        + entry("b", "td_b", more='expires_at = "2020-01-01T00:00:00Z"')
        + entry("c", "td_c", more="expires_at = 2999-01-01T00:00:00+02:00")
    )
    assert [tokens.find(f"td_{name}") is not None for name in "abc"] == [False, False, True]
    assert tokens.entry("c", digest("td_c")[:16]) is not None
    assert tokens.entry("a", digest("td_a")[:16]) is None
    assert tokens.entry("c", digest("td_a")[:16]) is None


def test_ten_thousand_tokens_are_read_and_found(opened):
    tokens = opened("".join(entry(f"user{number}", f"td_{number}") for number in range(10_000)))
    assert tokens.find("td_9999").name == "user9999"


def test_a_service_sees_a_new_token_a_revoked_one_and_outlives_a_broken_file(guarded):
    def status(token):
        return {guarded.call("logs", "GET", "/api/v1/jobs", token).status_code for _ in range(20)}

    token = guarded.tokens.add("newcomer", "read")
    wait_until(lambda: status(token) == {200})
    text = guarded.tokens.path.read_text()
    replace(guarded.tokens.path, "[[token]")
    log = guarded.logs[0]
    wait_until(lambda: status(token) == {200} and log.log.count("the tokens of before still count") >= 2)
    replace(guarded.tokens.path, text)
    guarded.tokens.remove("newcomer")
    wait_until(lambda: status(token) == {401})
    assert token not in log.log


@pytest.mark.faults
@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"TOKENS_FILE": "x"}, "TOKENS_FILE needs AUTH_SECRET"),
        ({"AUTH_SECRET": "short"}, "AUTH_SECRET must have at least 32 bytes"),
        ({"AUTH_SECRET": "s" * 32, "TOKENS_FILE": "/nowhere/tokens.toml"}, "No such file"),
        ({"HOST": "0.0.0.0"}, "make token"),
    ],
)
def test_a_service_does_not_start_without_what_it_needs(environ, said):
    program = "from services.models.app import create_app; create_app()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **SETTINGS, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "'short'" not in done.stderr
    anonymous = {"HOST": "0.0.0.0", "ALLOW_ANONYMOUS": "1"}
    assert (
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **SETTINGS, **anonymous}, check=False
        ).returncode
        == 0
    )
