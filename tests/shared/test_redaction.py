"""Texts without the secrets that are in them, and failures without their texts."""

import json
import subprocess
import sys

import psycopg
import pytest

from run.parts import ROOT
from shared.redaction import describe_failure, redact

SECRET = "sk-very-secret-key"


TEXTS = [
    ("plain", "plain"),
    ("what? nothing; a task_list, the basic authentication", "what? nothing; a task_list, the basic authentication"),
    ("http://a:b@host:1/v1?key=1#f", "http://host:1/v1"),
    ("(https://host/v1?sig=abc)", "(https://host/v1"),
    ("postgresql://u:p@db/x and redis://:p@r/0", "postgresql://db/x and redis://r/0"),
    ("Incorrect API key provided: sk-proj-abcdefgh123", "Incorrect API key provided: ***"),
    ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ("authorization: bearer\tabc.def; x", "authorization: bearer\t***; x"),
    ("Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic ***"),
    ("Cookie: a=b; tunedeck-8080=eyJ.abc; c=d", "Cookie: a=b; tunedeck-8080=***; c=d"),
    ("GET /api/v1/models/1/download?ticket=abc;d HTTP/1.1", "GET /api/v1/models/1/download?*** HTTP/1.1"),
    ("the tokens td_ab-c, tj_x.y.z and 'ts_1'", "the tokens td_***, tj_*** and 'ts_***'"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_what_looks_like_a_secret_is_redacted(text, shown):
    assert redact(text) == shown


def run_logging(code):
    """Run a program that logs as our processes do, and return what it has printed."""
    code = f"from shared.telemetry.json_lines import log_json_lines\nlog_json_lines('test')\n{code}"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60).stderr


def test_so_is_what_is_logged():
    printed = run_logging(f"import logging\nfor text in {[text for text, _ in TEXTS]!r}: logging.warning('%s', text)")

    assert [json.loads(line)["event"] for line in printed.splitlines()] == [shown for _, shown in TEXTS]


def failure(cause):
    """Return an exception whose text and whose cause's text hold a secret."""
    try:
        try:
            raise cause
        except Exception as error:
            raise RuntimeError(f"with {SECRET}") from error
    except RuntimeError as error:
        return error


def test_a_failure_is_described_without_its_text():
    described = describe_failure(failure(KeyError(SECRET)))

    assert SECRET not in described
    assert described.startswith("RuntimeError\n")
    assert "\ncaused by KeyError\n" in described
    assert described.count("in failure") == 2


def test_codes_of_the_system_and_of_sql_are_shown():
    assert "FileNotFoundError (2)" in describe_failure(failure(FileNotFoundError(2, SECRET)))
    assert "UniqueViolation (23505)" in describe_failure(failure(psycopg.errors.UniqueViolation(SECRET)))


def test_a_failure_that_causes_itself_is_described_once():
    error = ValueError()
    error.__context__ = error

    assert describe_failure(error) == "ValueError"


SERVICE = """
from flask import Flask, g
from shared.http.errors import handle_errors
app = Flask("a service")
handle_errors(app)
app.before_request(lambda: setattr(g, "request_id", "the-id"))
@app.get("/")
def fail():
    key = "sk-very-" + "secret-key"
    try:
        raise KeyError(key)
    except KeyError as error:
        raise RuntimeError(f"with {key}") from error
print(app.test_client().get("/").get_json(), file=sys.stderr)
"""


def test_no_secret_in_an_exception_reaches_the_log_of_a_service():
    printed = run_logging(f"import sys\n{SERVICE}")
    line, answer = printed.splitlines()

    assert "'code': 500" in answer
    assert SECRET not in printed
    assert json.loads(line)["event"] == "request the-id failed"
    assert json.loads(line)["exception"].startswith("RuntimeError\n")
    assert "in fail\n" in json.loads(line)["exception"]
    assert "\ncaused by KeyError\n" in json.loads(line)["exception"]


@pytest.mark.parametrize("where", ["threading.Thread(target=fail).start()", "gevent.spawn(fail).join()", "fail()"])
def test_what_nobody_catches_is_logged_without_its_text(where):
    code = f"""
import threading, gevent
from shared.redaction import log_uncaught_failures
log_uncaught_failures(gevent.get_hub())
key = "sk-very-" + "secret-key"
def fail():
    raise ValueError(key)
{where}
"""
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60).stderr

    assert " failed: ValueError\n" in printed
    assert "in fail" in printed
    assert SECRET not in printed
