"""The console's session: a signed cookie, so that no script of a page ever holds the token."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Response, request

from shared.auth.caller import Caller
from shared.auth.signing import SecretSigner

LIFETIME_S = 12 * 3600


def cookie_name() -> str:
    """Return the cookie's name, with the port in it: a browser gives a cookie to every port of its host."""
    try:
        port = urlsplit(f"//{request.headers.get('Host', '')}").port
    except ValueError:
        port = None
    return f"tunedeck-{port or (443 if _is_https() else 80)}"


def user_of(owner: Caller, payload: dict[str, Any], expires_at: datetime) -> Caller:
    """Return who the owner of a token is by their cookie."""
    ends = expires_at if owner.expires_at is None else min(expires_at, owner.expires_at)
    return Caller(owner.name, owner.scopes, owner.fingerprint, expires_at=ends, by_cookie=True)


def set_session(response: Response, signer: SecretSigner, caller: Caller, expires_at: datetime) -> None:
    """Give the answer a cookie by which the browser is this caller."""
    value = signer.sign("session", {"n": caller.name, "f": caller.fingerprint}, expires_at)
    response.set_cookie(
        cookie_name(), value, expires=expires_at, path="/", httponly=True, samesite="Strict", secure=_is_https()
    )


def drop_session(response: Response) -> None:
    response.delete_cookie(cookie_name(), path="/", httponly=True, samesite="Strict", secure=_is_https())


def _is_https() -> bool:
    return request.headers.get("X-Forwarded-Proto") == "https"
