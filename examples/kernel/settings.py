"""The kernel's settings, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Settings:
    """URLs have no trailing slash; all files of the kernel are below `folder`.

    `token` is for a Tunedeck that asks for one; the log handler reads the same variable itself.
    """

    logs_url: str
    api_url: str
    host: str
    port: int
    name: str
    folder: Path
    token: str | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; raises ValueError, which names the variable, for a bad port."""
        port = environ.get("KERNEL_PORT", "9000")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"KERNEL_PORT must be a number from 1 to 65535, not {port!r}")
        return cls(
            logs_url=environ.get("LOGS_URL", "http://127.0.0.1:8001").rstrip("/"),
            api_url=environ.get("API_URL", "http://127.0.0.1:8080").rstrip("/"),
            host=environ.get("HOST", "127.0.0.1"),
            port=int(port),
            name=environ.get("KERNEL_NAME", "example"),
            folder=Path(environ.get("DATA_DIR", ".data")) / "kernel",
            token=environ.get("TUNEDECK_TOKEN") or None,
        )
