"""Our models service and MLflow, each with one worker over a store of its own folder, to be measured side by side."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import support
from run import parts
from run.parts import Part, StoreServer
from run.settings import free_port

_DATA = parts.ROOT / ".data" / "bench"
_MLFLOW = _DATA / "mlflow" / "bin"


@contextlib.contextmanager
def store(folder: Path) -> Iterator[StoreServer]:
    """Run SeaweedFS; the bucket ``models`` is made by whoever comes first."""
    server = StoreServer(f"http://127.0.0.1:{free_port()}", "services-key", "services-secret", "parts-key", "parts")
    with support.running(parts.seaweed(None, folder, server, lambda _: free_port()), None):
        yield server


def models_settings(database_url: str, server: StoreServer) -> dict[str, str]:
    """Return the environment of a models service over the store, with nobody else around it."""
    return {
        "DATABASE_URL": database_url,
        "S3_ENDPOINT": server.endpoint,
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY": server.access_key,
        "S3_SECRET_KEY": server.secret_key,
        **server.parts_environ,
        "LOGS_URL": "http://127.0.0.1:9",
        "GATEWAY_URL": "http://127.0.0.1:9",
    }


@contextlib.contextmanager
def models(database_url: str, server: StoreServer, core: int | None = None) -> Iterator[str]:
    """Run the models service with one worker; gives its address."""
    settings = models_settings(database_url, server) | {"WEB_CONCURRENCY": "1"}
    with support.running(parts.setup("models", settings, ()), None):
        pass
    port = free_port()
    with support.running(parts.gunicorn("models", settings, port, ()), core):
        yield f"http://127.0.0.1:{port}"


def install_mlflow() -> str:
    """Put MLflow into an environment of its own, once, and return its version."""
    if not (_MLFLOW / "mlflow").exists():
        print("installing MLflow", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(_MLFLOW.parent)], check=True)
        command = [str(_MLFLOW / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "mlflow", "boto3"], check=True)
    asked = [str(_MLFLOW / "python"), "-c", "import importlib.metadata as m; print(m.version('mlflow'))"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def mlflow(
    folder: Path, server: StoreServer, core: int | None = None, *, workers: int = 1, prefix: str = "mlflow"
) -> Iterator[str]:
    """Run MLflow, its tables in SQLite, its artifacts passed on to the store below ``prefix``; gives its address."""
    port = free_port()
    places = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"s3://models/{prefix}",
    ]
    command = [str(_MLFLOW / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(workers)]
    environ = {
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": server.endpoint,
        "PATH": f"{_MLFLOW}:/usr/bin:/bin",
    }
    url = f"http://127.0.0.1:{port}"
    part = Part("MLflow", [*command, *places, "--serve-artifacts"], environ, ready_url=f"{url}/health")
    with support.running(part, core):
        yield url
