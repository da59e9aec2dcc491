"""The three services behind a gateway, with a file of tokens, and what requests are made with."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from run import parts
from run.settings import free_port
from shared.auth.tokens import LOOK_EVERY_S
from tests.support.services import environ_of

SECRET = "a secret of the tests, of more than 32 bytes"
FOREVER = "9999-12-31T00:00:00Z"


@dataclass
class Tokens:
    """The file of tokens: ``add`` writes one and returns it, ``remove`` revokes it by name."""

    path: Path
    entries: dict[str, tuple[str, list[str], str]] = field(default_factory=dict)
    _written_at: float = 0.0

    def add(self, name: str, *scopes: str, expires_at: str = FOREVER, token: str | None = None) -> str:
        token = token or f"td_{name}-{os.urandom(8).hex()}"
        self.entries[name] = (hashlib.sha256(token.encode()).hexdigest(), list(scopes), expires_at)
        self.write()
        return token

    def remove(self, name: str) -> None:
        del self.entries[name]
        self.write()

    def write(self) -> None:
        text = ""
        for name, (digest, scopes, expires_at) in self.entries.items():
            text += f'[[token]]\nname = "{name}"\nsha256 = "{digest}"\nscopes = {scopes!r}\nexpires_at = {expires_at}\n'
        draft = self.path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.path)
        self._written_at = time.monotonic()

    def wait_until_read(self) -> None:
        """Wait until every process looks at the file anew when it is next asked."""
        time.sleep(max(0.0, self._written_at + LOOK_EVERY_S + 0.1 - time.monotonic()))


@dataclass(eq=False)
class Guarded:
    """The services' and the gateway's addresses; every request says whose it is."""

    urls: dict[str, str]
    tokens: Tokens
    admin: str
    logs: list[object]

    def call(self, where: str, method: str, path: str, token: str | None = None, **kwargs: object) -> requests.Response:
        headers = dict(kwargs.pop("headers", {}))  # type: ignore[call-overload]
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        kwargs.setdefault("timeout", 30)
        return requests.request(method, self.urls[where] + path, headers=headers, allow_redirects=False, **kwargs)

    def new_job(self) -> int:
        answer = self.call("logs", "POST", "/api/v1/jobs", self.admin, json={"dataset_id": 1})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["ID"])

    def new_model(self, job_id: int | None = None) -> int:
        body = {"name": "M", "base_model": "b", "job_id": job_id}
        answer = self.call("models", "POST", "/api/v1/models", self.admin, json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["ID"])

    def job_token(self, job_id: int, token: str | None = None) -> str:
        answer = self.call("logs", "POST", f"/api/v1/jobs/{job_id}/token", token or self.admin)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def session(self, token: str, where: str = "logs") -> requests.Session:
        """Log in as the console does, and return a session with the cookie."""
        session = requests.Session()
        answer = session.post(f"{self.urls[where]}/api/v1/session", json={"token": token}, timeout=30)
        assert answer.status_code == 200, answer.text
        return session


@pytest.fixture(scope="session")
def guarded(start, serve, redis_url, store_server, store_settings, tmp_path_factory):
    """Everything with tokens on, on SQLite: what is checked never reaches SQL."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = Tokens(folder / "tokens.toml")
    admin = tokens.add("admin", "read", "write")
    ports = {name: free_port() for name in ("logs", "models", "evaluations", "gateway")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    common = {
        "REDIS_URL": redis_url,
        "TOKENS_FILE": str(tokens.path),
        "AUTH_SECRET": SECRET,
        "GATEWAY_URL": urls["gateway"],
        "ALLOWED_HOSTS": "tunedeck.example",
    }
    store = environ_of(store_settings) | store_server.parts_environ
    running = []
    for name in ("logs", "models", "evaluations"):
        database = {"DATABASE_URL": f"sqlite:///{folder / name}.db"}
        client = serve(name, **common, **database, **store, LOGS_URL=urls["logs"], MODELS_URL=urls["models"])
        urls[name] = client.url
        running.append(client.running)
    upstreams = {f"{name.upper()}_UPSTREAM": urls[name].removeprefix("http://") for name in urls if name != "gateway"}
    upstreams["S3_UPSTREAM"] = store_server.endpoint
    gateway = parts.caddy(os.environ.get("CADDY_BIN"), folder, ["127.0.0.1"], ports["gateway"], upstreams, ())
    running.append(start(gateway))
    return Guarded(urls, tokens, admin, running)
