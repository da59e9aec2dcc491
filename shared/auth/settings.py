"""The settings of authentication, the same for each service."""

from __future__ import annotations

from dataclasses import dataclass

from shared.settings import HttpUrl, SettingsError

MIN_SECRET_BYTES = 32


@dataclass(frozen=True)
class AuthSettings:
    tokens_file: str | None = None
    """Where it is set, requests need a token, even if the file has none."""
    auth_secret: str | None = None
    """Signs job tokens, tickets, cookies, and what services send each other."""
    auth_secret_previous: str | None = None
    """What was signed with it is still good; nothing new is signed with it."""
    allow_anonymous: bool = False
    """Listens beyond loopback without tokens."""
    allowed_hosts: str | None = None
    """Names that a request's Host may have beside the default ones, separated by commas; ``*`` is any."""
    cors_origins: str | None = None
    host: str | None = None
    """Where the service listens; by default on loopback."""
    public_url: HttpUrl | None = None
    gateway_url: HttpUrl | None = None
    logs_url: HttpUrl | None = None
    models_url: HttpUrl | None = None
    evaluations_url: HttpUrl | None = None

    def __post_init__(self) -> None:
        for name in ("auth_secret", "auth_secret_previous"):
            secret = getattr(self, name)
            if secret is not None and len(secret.encode()) < MIN_SECRET_BYTES:
                raise SettingsError(f"{name.upper()} must have at least {MIN_SECRET_BYTES} bytes")
        if self.tokens_file is not None and self.auth_secret is None:
            raise SettingsError("TOKENS_FILE needs AUTH_SECRET: `openssl rand -hex 32` makes one")
