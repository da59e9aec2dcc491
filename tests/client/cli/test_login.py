"""`tunedeck login` and `open`: where the service is, and who asks."""

import fcntl
import json
import os
import pty
import stat
import subprocess
import termios

import pytest

from tests.client.cli.conftest import COMMAND


@pytest.fixture
def service(fake_api):
    fake_api.answers["/api/v1/models"] = {"data": [], "total": 0}
    return fake_api


@pytest.fixture
def bare(elsewhere):
    """The command without an address in the environment."""
    elsewhere.environ.pop("TUNEDECK_URL")
    return elsewhere


def tokens(api):
    return [token for _, _, token in api.asked]


def test_it_works(bare, service, tmp_path):
    done = bare("login", "--url", f"{service.url}/api/v1/", input="secret\n")

    (file,) = (tmp_path / "config/tunedeck").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"url": service.url, "token": "secret"}
    assert "secret" not in done.out + done.err
    assert bare("models", "list", "--json").json == []
    assert tokens(service) == ["Bearer secret"] * 2


def test_the_environment_overrides_what_was_kept(bare, service):
    bare("login", "--url", service.url, input="kept\n")
    bare("models", "list", TUNEDECK_TOKEN="other")
    assert tokens(service)[-1] == "Bearer other"


def test_a_kept_token_goes_to_its_own_address_alone(bare, service):
    bare("login", "--url", service.url, input="kept\n")
    bare("models", "list", TUNEDECK_URL=service.url.replace("127.0.0.1", "localhost"))
    assert tokens(service)[-1] is None


def test_a_login_without_a_token_is_kept_as_such(bare, service):
    assert "logged in" in bare("login", "--url", service.url).err
    assert bare("login", "--url", service.url, "--json").json["url"] == service.url
    assert tokens(service) == [None, None]


def test_what_does_not_work_is_not_kept(bare, service, tmp_path):
    service.answers["/api/v1/models"] = {"code": 401, "message": "Unknown token."}
    done = bare("login", "--url", service.url, input="wrong\n", code=3)
    assert done.err == (
        "tunedeck: Unknown token. [401] (request fake-1); `tunedeck login` or TUNEDECK_TOKEN says who you are\n"
    )
    assert "does not answer" in bare("login", "--url", "http://127.0.0.1:1", code=3).err
    assert "address" in bare("login", "--url", "nonsense", code=3).err
    assert not (tmp_path / "config").exists()


def test_a_damaged_file_is_told(bare, service, tmp_path):
    bare("login", "--url", service.url)
    (tmp_path / "config/tunedeck/login.json").write_text("{")
    assert "log in again" in bare("models", "list", code=3).err


def test_on_a_terminal_it_asks_and_shows_no_token(bare, service):
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "login"],
        env={**bare.environ, "TERM": "dumb"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # for getpass asks the terminal itself
    )
    bare.children.append(process)
    os.close(terminal)
    shown = b""
    for question, answer in ((b"]: ", service.url), (b"Enter): ", "secret")):
        while question not in shown:
            shown += os.read(controller, 1000)
        os.write(controller, f"{answer}\n".encode())
    while b"logged in" not in shown:
        shown += os.read(controller, 1000)
    assert process.wait(20) == 0
    os.close(controller)
    assert b"secret" not in shown
    assert tokens(service) == ["Bearer secret"]


def test_open_prints_the_pages_address(bare):
    url = "http://tunedeck.example"
    for arguments, path in (
        (("job", 7), "jobs/7"),
        (("model", 1), "models/1"),
        (("evaluation",), "evaluations"),
        ((), ""),
    ):
        opened = bare("open", *arguments, "--print", TUNEDECK_URL=url)
        assert opened.out == f"{url}/ui/{path}\n"
    assert bare("open", "job", 7, "--json", TUNEDECK_URL=url).json == {"url": f"{url}/ui/jobs/7"}
    assert "jobs" in bare("open", "jobs", 7, code=2).err


def test_open_opens_the_browser(bare, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    bare("open", "model", 1, TUNEDECK_URL="http://tunedeck.example", BROWSER=f"{browser} %s")
    assert (tmp_path / "opened").read_text() == "http://tunedeck.example/ui/models/1\n"
