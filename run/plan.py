"""Plans a `make run`: its parts, and the addresses by which they reach each other."""

from __future__ import annotations

import sys
from pathlib import Path

from run import parts
from run.parts import Part, StoreServer
from run.settings import Ports, Settings, gateway_hosts, gateway_url, store_keys
from run.token_file import auth_secret, own_token
from shared.auth.hosts import is_loopback
from shared.settings import SettingsError

Addresses = dict[str, str]


def make(settings: Settings, data_dir: Path, port: Ports) -> tuple[list[Part], Addresses]:
    """Return the parts in the order in which they start, and the address of each."""
    plan: list[Part] = []
    redis_url, redis = _redis(settings, data_dir, port)
    server, store = _store(settings, data_dir, port)
    plan += redis + store
    servers = tuple(part.name for part in plan)
    ports = {"logs": settings.logs_port, "models": port("models"), "evaluations": port("evaluations")}
    urls = {name: f"http://127.0.0.1:{number}" for name, number in ports.items()}
    gateway = gateway_url(settings.gateway_site, settings.port)
    hosts = gateway_hosts(settings.host)
    kernel_port = port("kernel")
    kernel_token, auth = _auth(settings, data_dir)
    environ = {
        "REDIS_URL": redis_url,
        "S3_ENDPOINT": server.endpoint,
        "S3_REGION": settings.s3_region,
        "S3_ACCESS_KEY": server.access_key,
        "S3_SECRET_KEY": server.secret_key,
        **server.parts_environ,
        "GATEWAY_URL": gateway,
        "INFERENCE_URL": settings.inference_url or f"http://127.0.0.1:{kernel_port}/v1",
        "LOGS_URL": urls["logs"],
        "MODELS_URL": urls["models"],
        "EVALUATIONS_URL": urls["evaluations"],
        "API_URL": gateway if settings.gateway_site else f"http://{parts.authority(hosts[0])}:{settings.port}",
        "DATA_DIR": str(data_dir),
    }
    for service in parts.SERVICES:
        database = getattr(settings, f"{service}_database_url") or f"sqlite:///{data_dir / service}.db"
        own = environ | auth | {"DATABASE_URL": database}
        plan.append(parts.setup(service, own, servers))
        plan.append(parts.gunicorn(service, own, ports[service], (f"{service} setup",)))
        plan += _companions(service, own, settings, port)
    routes = {f"{name.upper()}_UPSTREAM": f"127.0.0.1:{number}" for name, number in ports.items()} | {
        "S3_UPSTREAM": server.endpoint,
        "CORS_ORIGINS": settings.cors_origins or "",
        "TRUSTED_PROXIES": settings.trusted_proxies or "",
        "GATEWAY_SITE": settings.gateway_site or "http://",
        "GATEWAY_TLS": settings.gateway_tls or "",
    }
    plan.append(parts.caddy(settings.caddy_bin, data_dir / "gateway", hosts, settings.port, routes, parts.SERVICES))
    if settings.example_kernel:
        plan.append(_kernel(environ | kernel_token | {"KERNEL_PORT": str(kernel_port)}, kernel_port))
    addresses = {"gateway": gateway, **urls, "redis": redis_url, "store": server.endpoint}
    return plan, addresses | {"inference": environ["INFERENCE_URL"]}


def _auth(settings: Settings, data_dir: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings of our kernel and of the services; no tokens are asked for where there is no file of them."""
    ours = data_dir / "tokens.toml"
    path = Path(settings.tokens_file).absolute() if settings.tokens_file else ours if ours.exists() else None
    hosts = ",".join(name for name in (settings.allowed_hosts, settings.host) if name)
    services = {"ALLOWED_HOSTS": hosts, "CORS_ORIGINS": settings.cors_origins or ""}
    # No process of ours but the services can sign; and a file that the environment names is not the kernel's business.
    kernel = {"AUTH_SECRET": "", "TOKENS_FILE": ""}
    if path is None:
        if settings.host and not is_loopback(settings.host) and not settings.allow_anonymous:
            raise SettingsError(
                f"HOST={settings.host}: others could reach it, and no token is asked for. "
                "`make token NAME=you SCOPES=read,write` makes one; ALLOW_ANONYMOUS=1 does without"
            )
        return kernel, services
    services |= {"TOKENS_FILE": str(path), "AUTH_SECRET": settings.auth_secret or auth_secret(data_dir / "auth-secret")}
    if path == ours and settings.example_kernel:
        token = own_token(path, data_dir / "kernel-token", settings.kernel_name, ("kernel", "read"))
        kernel["TUNEDECK_TOKEN"] = token
    return kernel, services


def _redis(settings: Settings, data_dir: Path, port: Ports) -> tuple[str, list[Part]]:
    if settings.redis_url is not None:
        return settings.redis_url, []
    number = port("redis")
    return f"redis://127.0.0.1:{number}/0", [parts.valkey(settings.valkey_bin, data_dir / "redis", number)]


def _store(settings: Settings, data_dir: Path, port: Ports) -> tuple[StoreServer, list[Part]]:
    if settings.s3_endpoint is None:
        folder = data_dir / "store"
        folder.mkdir(parents=True, exist_ok=True)
        server = StoreServer(f"http://127.0.0.1:{port('store')}", **store_keys(data_dir / "store-keys.json"))
        return server, [parts.seaweed(settings.weed_bin, folder, server, port)]
    if settings.s3_access_key is None or settings.s3_secret_key is None:
        raise SettingsError("S3_ENDPOINT needs S3_ACCESS_KEY and S3_SECRET_KEY")
    access, secret = settings.s3_access_key, settings.s3_secret_key
    parts_keys = (settings.s3_parts_access_key or access, settings.s3_parts_secret_key or secret)
    return StoreServer(settings.s3_endpoint, access, secret, *parts_keys), []


def _companions(service: str, environ: dict[str, str], settings: Settings, port: Ports) -> list[Part]:
    """Return the background processes of a service, which share its tables."""
    if service == "models":
        checksums = [sys.executable, "-m", "services.models.checksums"]
        own, url = _metrics(settings, port("checksums_metrics"))
        return [Part("checksums", checksums, environ | own, ("models",), url)]
    if service == "evaluations" and settings.evaluation_worker:
        worker = [sys.executable, "-m", "services.evaluations.worker"]
        own, url = _metrics(settings, port("worker_metrics"))
        return [Part("evaluation worker", worker, environ | own, ("evaluations",), url)]
    return []


def _metrics(settings: Settings, port: int) -> tuple[dict[str, str], str]:
    """Return the settings of a process that answers for its metrics alone, and their address; then it is at work."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.metrics_host, settings.metrics_host)
    return {"METRICS_PORT": str(port)}, f"http://{parts.authority(host)}:{port}/metrics"


def _kernel(environ: dict[str, str], port: int) -> Part:
    # Its matrices are small: more BLAS threads would only take CPU from the services.
    # And it asks for no token: HOST is the gateway's.
    environ |= {"PYTHONPATH": str(parts.ROOT / "client"), "OPENBLAS_NUM_THREADS": "1", "HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "examples.kernel"]
    return Part("kernel", command, environ, ("gateway", "logs"), f"http://127.0.0.1:{port}/healthz")
