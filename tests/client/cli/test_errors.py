"""What goes wrong before a command has begun: the address, the service, the arguments."""

import subprocess
import sys

import pytest

from tests.client.models.conftest import CLIENT

EACH = [
    ("jobs", "list"),
    ("logs", 1),
    ("logs", 1, "-f"),
    ("metrics", 1),
    ("models", "show", 1),
    ("pull", 1),
    ("datasets", "list"),
    ("evaluate", 1, "--test-set", "x"),
]


@pytest.mark.parametrize("arguments", EACH)
def test_a_service_that_is_away_is_one_line(elsewhere, arguments):
    done = elsewhere(*arguments, code=3)
    assert (done.out, done.err) == ("", "tunedeck: http://127.0.0.1:1 does not answer (Connection refused)\n")


def test_a_push_to_nobody_is_told_at_once(elsewhere, folder):
    assert "does not answer" in elsewhere("push", folder, code=3).err


@pytest.mark.parametrize("page", [b"<html>welcome</html>", b"", b"[]", b"null", b"[" * 100_000])
def test_a_page_that_is_not_ours_is_told(elsewhere, fake_api, page):
    fake_api.answers["/api/v1/jobs"] = page
    assert "is not Tunedeck" in elsewhere("jobs", "list", code=3, TUNEDECK_URL=fake_api.url).err


def test_an_address_that_cannot_work_is_told(elsewhere):
    for url in ("localhost:8080", "http://", "http://a:b", "ftp://x", "http://127.0.0.1:99999"):
        done = elsewhere("jobs", "list", code=3, TUNEDECK_URL=url)
        assert done.err.count("\n") == 1


def test_what_the_service_says_is_printable(elsewhere, fake_api):
    fake_api.answers["/api/v1/jobs"] = {"code": 403, "message": "No\x1b[2J\nway"}
    done = elsewhere("jobs", "list", code=3, TUNEDECK_URL=fake_api.url)
    assert done.err == "tunedeck: No\ufffd[2J way [403] (request fake-1)\n"


def test_help_and_version_ask_nobody(elsewhere):
    listed = elsewhere("--help").out
    for command in (
        "run",
        "jobs",
        "logs",
        "metrics",
        "push",
        "pull",
        "models",
        "datasets",
        "evaluate",
        "open",
        "login",
    ):
        assert f"\n  {command} " in listed
    assert elsewhere("--version").out.startswith("tunedeck ")
    assert "Usage" in elsewhere("jobs", code=2).err + elsewhere("jobs", code=2).out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tunedeck mod", {"models"}),
        ("tunedeck jobs c", {"create", "cancel"}),
        ("tunedeck evaluate 1 --requ", {"--require"}),
        ("tunedeck run --set a=b --ba", {"--base-model"}),
        ("tunedeck run --logs", {"--logs-url"}),
    ],
)
def test_it_completes(elsewhere, typed, offered):
    done = elsewhere(
        code=None,
        _TUNEDECK_COMPLETE="bash_complete",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(typed.split()) - 1),
    )
    assert {line.partition(",")[2] for line in done.out.splitlines()} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(elsewhere, shell):
    script = elsewhere("completion", shell).out
    assert f"_TUNEDECK_COMPLETE={shell}_complete" in script
    if shell == "bash":
        known = subprocess.run(["bash"], input=f"{script}\ncomplete -p tunedeck\n", capture_output=True, text=True)
        assert "complete -" in known.stdout
        assert known.stderr == ""


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "1.5", "x"])
@pytest.mark.parametrize("words", [("jobs", "show"), ("logs",), ("metrics",), ("models", "delete"), ("pull",)])
def test_what_can_be_no_id_is_a_wrong_argument(elsewhere, words, number):
    assert "Invalid value for" in elsewhere(*words, "--", number, code=2).err


def test_the_bare_package_needs_neither_click_nor_rich():
    program = """
import sys
sys.modules["click"] = sys.modules["rich"] = None
import tunedeck_client
assert "tunedeck_client.api" not in sys.modules, "a training that only logs"
with tunedeck_client.Tunedeck("http://127.0.0.1:1") as tunedeck:
    try:
        tunedeck.jobs()
    except tunedeck_client.errors.Unreachable:
        print("unreachable")
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={"PYTHONPATH": str(CLIENT)}, capture_output=True, text=True, timeout=30)
    assert done.stdout == "unreachable\n", done.stderr
