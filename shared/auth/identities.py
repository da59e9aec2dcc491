"""Who makes a request, by its token, ticket or cookie; and what is signed in a caller's name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, cast

from flask import g, request

from shared.auth import session, tickets
from shared.auth.caller import Caller
from shared.auth.settings import AuthSettings
from shared.auth.signing import JOB_TOKEN, SERVICE_TOKEN, Kind, SecretSigner, in_seconds, service_headers
from shared.auth.tokens import SCOPES, TokenFile
from shared.errors import Conflict

JOB_TOKEN_S = 30 * 86_400

EVERYBODY = Caller("", frozenset(SCOPES))
"""Where no tokens are configured."""

SAFE = ("GET", "HEAD")
TICKET = f"{tickets.PARAMETER}="
"""With what a ticket begins in a query string."""


class Identities:
    """Whom a service knows, by its file of tokens and its secret; without the file nobody is asked."""

    def __init__(self, settings: AuthSettings) -> None:
        secret, previous = settings.auth_secret, settings.auth_secret_previous
        self._signer = None if secret is None else SecretSigner(secret, previous)
        self._tokens = None if settings.tokens_file is None else TokenFile(Path(settings.tokens_file))

    @property
    def enabled(self) -> bool:
        return self._tokens is not None

    @property
    def signer(self) -> SecretSigner:
        """What signs; Conflict where there is nothing to sign for."""
        if self._signer is None or self._tokens is None:
            raise Conflict("Authentication is off: nobody needs a token.")
        return self._signer

    def find_token(self, token: str) -> Caller | None:
        """Return whose token of the file this is, or None."""
        return None if self._tokens is None else self._tokens.find(token)

    def find_session(self) -> Caller | None:
        """Return who makes the present request, to one of the endpoints that are open."""
        return self.identify(None) if self.enabled else EVERYBODY

    def is_current(self, caller: Caller) -> bool:
        """Whether what a caller came with is still good, for an answer that takes hours."""
        if self._tokens is None or caller.fingerprint is None:
            return True
        return caller.is_current and self._tokens.entry(caller.name, caller.fingerprint) is not None

    def make_job_token(self, job_id: int) -> tuple[str, datetime]:
        """Return a token for a job, and until when it is good; it dies with the token of whoever asked for it."""
        caller = current_caller()
        payload = {"n": caller.name, "f": caller.fingerprint, "j": job_id}
        limit = in_seconds(JOB_TOKEN_S)
        expires_at = limit if caller.expires_at is None else min(limit, caller.expires_at.replace(microsecond=0))
        return JOB_TOKEN + self.signer.sign("job", payload, expires_at), expires_at

    def add_ticket(self, address: str, expires_at: datetime, kind: tickets.TicketKind = "ticket") -> str:
        """Return a path with the present caller's ticket, or as it is where none is needed."""
        caller = current_caller()
        if not self.enabled or caller.fingerprint is None:
            return address
        return tickets.add_ticket(self.signer, caller, address, expires_at, kind)

    def service_headers(self, name: str) -> dict[str, str]:
        """Return the headers by which a service of this name asks another."""
        return service_headers(self._signer, name)

    def identify(self, ticket: str | None) -> Caller | None:
        sent = request.environ.get("HTTP_AUTHORIZATION")
        if sent is not None:
            scheme, _, token = sent.partition(" ")
            return self._read_bearer(token.strip()) if scheme.lower() == "bearer" else None
        if ticket is not None:
            # Werkzeug's path is decoded, as the ticket's is.
            path, query = request.path, request.query_string.decode("latin-1")
            kind: tickets.TicketKind = "ticket" if request.method in SAFE else "upload"
            if request.method not in (*SAFE, "POST") or (signed := self._read(kind, ticket)) is None:
                return None
            return tickets.holder_of(*signed, path, query, kind)
        signed = self._read("session", request.cookies.get(session.cookie_name(), ""))
        return None if signed is None else session.user_of(*signed)

    def _read_bearer(self, token: str) -> Caller | None:
        if token.startswith(JOB_TOKEN):
            return self._read_job_token(token.removeprefix(JOB_TOKEN))
        if token.startswith(SERVICE_TOKEN):
            signed = self.signer.read("service", token.removeprefix(SERVICE_TOKEN))
            return None if signed is None else Caller(signed[0]["n"], frozenset({"read", "write"}))
        return self.find_token(token)

    def _read_job_token(self, text: str) -> Caller | None:
        signed = self._read("job", text)
        if signed is None or not (signed[0].has("write") or signed[0].has("kernel")):
            return None
        maker, payload, expires_at = signed
        return Caller(maker.name, frozenset(), maker.fingerprint, payload["j"], expires_at)

    def _read(self, kind: Kind, text: str) -> tuple[Caller, dict[str, Any], datetime] | None:
        """Return whose entry of the file something was signed for, what, and until when; None if no longer good."""
        signed = self.signer.read(kind, text)
        if signed is None or self._tokens is None:
            return None
        maker = self._tokens.entry(signed[0]["n"], signed[0]["f"])
        return None if maker is None else (maker, *signed)


def current_caller() -> Caller:
    """Return who makes the present request."""
    return cast(Caller, g.caller)


def take_ticket() -> str | None:
    """Return the request's ticket, and have the rest of the request see none: it is no parameter of any endpoint."""
    rest, ticket = tickets.split_ticket(request.environ["QUERY_STRING"])
    request.environ["QUERY_STRING"] = rest
    request.query_string = rest.encode("latin-1")
    request.__dict__.pop("args", None)
    return ticket
