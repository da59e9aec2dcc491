"""A stream that is open while its token is revoked."""

from __future__ import annotations

import requests

from tests.shared.auth.conftest import SECRET, Tokens
from tests.support.services import start_service
from tests.support.waiting import wait_until

ACCEPT = {"Accept": "text/event-stream"}


def test_it_ends_and_others_go_on(start, redis_url, tmp_path):
    tokens = Tokens(tmp_path / "tokens.toml")
    stays, goes = tokens.add("stays", "write"), tokens.add("goes", "write")
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/logs.db",
        "REDIS_URL": redis_url,
        "TOKENS_FILE": str(tokens.path),
        "AUTH_SECRET": SECRET,
    }
    url, running = start_service(start, "logs", environ, "tests.shared.auth.hasty")

    def ask(method, path, token, **kwargs):
        headers = kwargs.pop("headers", {}) | {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{url}/api/v1{path}", headers=headers, timeout=30, **kwargs)

    job = ask("POST", "/jobs", stays, json={"dataset_id": 1}).json()["ID"]
    of_job = ask("POST", f"/jobs/{job}/token", goes).json()["token"]
    streams = {token: ask("GET", f"/jobs/{job}/logs", token, headers=ACCEPT, stream=True) for token in (goes, of_job)}
    kept = ask("GET", f"/jobs/{job}/logs", stays, headers=ACCEPT, stream=True)

    tokens.remove("goes")

    for token, stream in streams.items():
        assert b"event: end" not in stream.content  # read to its end, which came without the job's
        wait_until(lambda token=token: ask("GET", f"/jobs/{job}", token).status_code == 401)
    assert ask("POST", f"/jobs/{job}/logs", stays, json={"message": "still here"}).status_code == 201
    assert any("still here" in line for line in kept.iter_lines(decode_unicode=True))
    kept.close()
    running.stop()
    assert goes not in running.log
