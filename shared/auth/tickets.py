"""Tickets: an address of our own that opens without a token, for a time, by GET and HEAD, or by one POST."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from shared.auth.caller import Caller
from shared.auth.signing import SecretSigner

MAX_SECONDS = 86_400

PARAMETER = "ticket"

TicketKind = Literal["ticket", "upload"]
"""What it is good for: to read (GET and HEAD), or for one POST that ends an upload."""

_SCOPES: dict[TicketKind, str] = {"ticket": "read", "upload": "write"}

_BOUND = ("include", "exclude")
"""Parameters that a ticket is made for; the others, a range of lines say, are free."""


def add_ticket(
    signer: SecretSigner, caller: Caller, address: str, expires_at: datetime, kind: TicketKind = "ticket"
) -> str:
    """Return a path with its query, and with the caller's ticket for it."""
    parts = urlsplit(address)
    payload = {
        "n": caller.name,
        "f": caller.fingerprint,
        "j": caller.job_id,
        "p": unquote(parts.path),
        "q": _bound(parts.query),
    }
    separator = "&" if parts.query else "?"
    return f"{address}{separator}{urlencode({PARAMETER: signer.sign(kind, payload, expires_at)})}"


def holder_of(
    maker: Caller, payload: dict[str, Any], expires_at: datetime, path: str, query: str, kind: TicketKind
) -> Caller | None:
    """Return who made a ticket, to do what it is for, or None where it is for another address."""
    if payload["p"] != path or payload["q"] != _bound(query):
        return None
    scope = _SCOPES[kind]
    scopes = frozenset({scope}) if payload["j"] is None and maker.has(scope) else frozenset()
    return Caller(maker.name, scopes, maker.fingerprint, payload["j"], expires_at)


def split_ticket(query: str) -> tuple[str, str | None]:
    """Return a query string without its tickets, and the ticket, or None where it has none or several."""
    pieces = query.split("&")
    tickets = [piece.partition("=")[2] for piece in pieces if piece.partition("=")[0] == PARAMETER]
    rest = "&".join(piece for piece in pieces if piece.partition("=")[0] != PARAMETER)
    return rest, unquote(tickets[0]) if len(tickets) == 1 else None


def _bound(query: str) -> list[list[str]]:
    return sorted([name, value] for name, value in parse_qsl(query, keep_blank_values=True) if name in _BOUND)
