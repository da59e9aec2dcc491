"""What is signed and not stored: job tokens, tickets, cookies, and the tokens of services among themselves."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Literal

from itsdangerous import BadData, URLSafeSerializer

from shared.telemetry.request_id import request_id_headers

Kind = Literal["job", "ticket", "upload", "session", "service"]

MAX_CHARS = 4096

JOB_TOKEN = "tj_"
SERVICE_TOKEN = "ts_"
"""How these begin; a token of the file begins with ``td_``."""

SERVICE_TOKEN_S = 60


class SecretSigner:
    """Signs with a secret, and reads what was signed with it or with the one before it."""

    def __init__(self, secret: str, previous: str | None = None) -> None:
        secrets = [secret] if previous is None else [previous, secret]  # the last one signs
        options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        # Each kind has a salt, and so a key, of its own: none can be passed off as another.
        self._serializer = cache(
            lambda kind: URLSafeSerializer(secrets, salt=f"tunedeck.{kind}", signer_kwargs=options)
        )
        # A training comes with the same token for each of its lines. What is not ours raises, and is not kept.
        self._load = lru_cache(1024)(lambda kind, text: self._serializer(kind).loads(text))

    def sign(self, kind: Kind, payload: dict[str, Any], expires_at: datetime) -> str:
        """Return a text for URLs and headers that is good as this kind until then."""
        text = self._serializer(kind).dumps({**payload, "exp": int(expires_at.timestamp())})
        return text if isinstance(text, str) else text.decode()

    def read(self, kind: Kind, text: str) -> tuple[dict[str, Any], datetime] | None:
        """Return what was signed and until when it is good, or None for what is not ours, or is no longer good."""
        if len(text) > MAX_CHARS:
            return None
        try:
            payload = self._load(kind, text)
        except BadData:
            return None
        expires_at = datetime.fromtimestamp(payload["exp"], UTC)
        return (payload, expires_at) if datetime.now(UTC) < expires_at else None


def in_seconds(seconds: int) -> datetime:
    """Return the time so many seconds from now, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def service_headers(signer: SecretSigner | None, name: str) -> dict[str, str]:
    """Return the headers by which one of our processes asks a service: the request's id, and a token for a minute."""
    if signer is None:
        return request_id_headers()
    token = signer.sign("service", {"n": name}, in_seconds(SERVICE_TOKEN_S))
    return {"Authorization": f"Bearer {SERVICE_TOKEN}{token}", **request_id_headers()}
