"""Where a system keeps what it knows: each service's database, and the store; as `make run` has it, or as is set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from run.parts import SERVICES
from run.settings import Settings
from shared.s3.client import S3Settings
from shared.settings import SettingsError


@dataclass(frozen=True)
class Places:
    databases: dict[str, str]
    """A URL by service."""
    store: S3Settings


def find_places(settings: Settings) -> Places:
    """Return where the system of these settings has its state; SettingsError where its store is not known."""
    data_dir = Path(settings.data_dir).absolute()
    databases = {
        name: getattr(settings, f"{name}_database_url") or f"sqlite:///{data_dir / name}.db" for name in SERVICES
    }
    if settings.s3_endpoint is not None:
        if settings.s3_access_key is None or settings.s3_secret_key is None:
            raise SettingsError("S3_ENDPOINT needs S3_ACCESS_KEY and S3_SECRET_KEY")
        keys = settings.s3_access_key, settings.s3_secret_key
        return Places(databases, S3Settings(settings.s3_endpoint, settings.s3_region, *keys))
    addresses, known = data_dir / "run.json", data_dir / "store-keys.json"
    if not addresses.exists() or not known.exists():
        raise SettingsError(f"DATA_DIR={data_dir}: no system has run there, and S3_ENDPOINT is not set")
    made = json.loads(known.read_text())
    endpoint = json.loads(addresses.read_text())["store"]
    return Places(databases, S3Settings(endpoint, settings.s3_region, made["access_key"], made["secret_key"]))
