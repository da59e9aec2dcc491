"""The settings of `make run`: what to start, where its state is kept, which ports it listens on."""

from __future__ import annotations

import atexit
import json
import re
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.settings import HttpUrl, RedisUrl, SettingsError


@dataclass(frozen=True)
class Settings:
    """Where REDIS_URL, S3_ENDPOINT or INFERENCE_URL is set, that server is used and ours is not started."""

    data_dir: str = ".data"
    port: int = 8080
    host: str | None = None
    """Where the gateway listens; by default on 127.0.0.1 and, if the machine has it, on ::1."""
    gateway_site: str | None = None
    """``https://`` and a name: the gateway answers to it alone, by HTTPS, on the port."""
    gateway_tls: str | None = None
    """How it gets its certificate, a line of a Caddyfile; by default from a public authority."""
    logs_port: int = 8001
    """The port of the logs service, to which kernels push their lines."""
    logs_database_url: str | None = None
    models_database_url: str | None = None
    evaluations_database_url: str | None = None
    redis_url: RedisUrl | None = None
    s3_endpoint: HttpUrl | None = None
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: str | None = None
    s3_parts_access_key: str | None = None
    s3_parts_secret_key: str | None = None
    inference_url: HttpUrl | None = None
    public_url: HttpUrl | None = None
    tokens_file: str | None = None
    """By default tokens.toml below the data folder, if there is one: then requests need a token."""
    auth_secret: str | None = None
    """By default one that the first start makes."""
    allow_anonymous: bool = False
    """The gateway listens beyond loopback without tokens."""
    allowed_hosts: str | None = None
    kernel_name: str = "example"
    trusted_proxies: str | None = None
    """Address ranges of proxies before the gateway, whose word counts on how a client came."""
    cors_origins: str | None = None
    metrics_host: str = "127.0.0.1"
    """Where the evaluation worker and the checksum process answer for their metrics."""
    example_kernel: bool = True
    evaluation_worker: bool = True
    caddy_bin: str | None = None
    weed_bin: str | None = None
    valkey_bin: str | None = None

    def __post_init__(self) -> None:
        if self.gateway_site is not None and not _SITE.fullmatch(self.gateway_site):
            raise SettingsError(f"GATEWAY_SITE={self.gateway_site!r}: must be https:// and a name; PORT is its port")


_SITE = re.compile(r"https?://[A-Za-z0-9.-]+")

_UNASSIGNED = range(10_000, 32_768)
"""Where servers listen; Linux assigns those above to outgoing connections, macOS 49,152 and above."""

_held: list[socket.socket] = []


@atexit.register
def _let_go() -> None:
    for holder in _held:
        holder.close()


class Ports:
    """Assigns ports: ``<PART>_PORT`` if that is set, else the port of the last run, else a free one.

    The same ones as in the last run because SeaweedFS identifies its components by their ports.
    """

    def __init__(self, file: Path, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._last: dict[str, int] = json.loads(file.read_text())["ports"] if file.exists() else {}
        self.given: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        variable = f"{name.upper()}_PORT"
        set_to = self._environ.get(variable, "")
        if set_to:
            port = int(set_to) if set_to.isdigit() else 0
            if not 0 < port < 65536:
                raise SettingsError(f"{variable}={set_to!r}: must be a port, 1 to 65535")
            if not is_free("127.0.0.1", port):
                raise SettingsError(f"{variable}={port} is taken by another program")
        else:
            port = self._last.get(name, 0)
            if not port or port in self.given.values() or not is_free("127.0.0.1", port):
                port = free_port()
        self.given[name] = port
        return port


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has, and on Linux keep it from whoever looks for one until we end.

    It is below those that outgoing connections get, or one of these could take it before its server starts. A server
    may listen on it all the same, since both it and we allow the address to be used again.
    """
    while True:
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", secrets.choice(_UNASSIGNED)))
        except OSError:
            holder.close()
            continue
        port = int(holder.getsockname()[1])
        if sys.platform == "linux":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _held.append(holder)
        else:
            holder.close()
        return port


def gateway_url(site: str | None, port: int) -> str:
    """Return the gateway's address on this machine, or that of its site, to which alone it answers then."""
    if site is None:
        return f"http://localhost:{port}"
    return site if (site[:6], port) in (("https:", 443), ("http:/", 80)) else f"{site}:{port}"


def gateway_hosts(host: str | None) -> list[str]:
    """Return the addresses on which the gateway listens: ``localhost`` may be either of the two."""
    if host:
        return [host]
    return ["127.0.0.1", "::1"] if is_free("::1", 0) else ["127.0.0.1"]


def is_free(host: str, port: int) -> bool:
    """Return whether a program may listen there; port 0 asks for the address alone."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except PermissionError:
        return True  # not by us, but the program that is to listen there may be allowed to
    except OSError:
        return False
    return True


def store_keys(path: Path) -> dict[str, str]:
    """Return the keys of our own S3 server; the first start makes them and keeps them in ``path`` (mode 0600)."""
    if not path.exists():
        names = ("access_key", "secret_key", "parts_access_key", "parts_secret_key")
        path.touch(mode=0o600)
        path.write_text(json.dumps({name: secrets.token_hex(16) for name in names}))
    keys: dict[str, str] = json.loads(path.read_text())
    return keys
