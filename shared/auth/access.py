"""Access to a service: whether whoever makes a request may, before any of its body is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from flask import Flask, current_app, g, request

from shared.auth.caller import Caller
from shared.auth.hosts import allowed_names, is_allowed, is_foreign_page, is_loopback, is_same_origin
from shared.auth.identities import EVERYBODY, SAFE, TICKET, Identities, current_caller, take_ticket
from shared.auth.scopes import OPEN, RULES, Rule
from shared.auth.settings import AuthSettings
from shared.errors import Forbidden, Misdirected, NotFound, Unauthorized
from shared.settings import SettingsError

NOBODY = Caller("", frozenset())

_NAME = "tunedeck.access"
_HEALTH = ("/healthz", "/readyz")

log = logging.getLogger(__name__)


class Access(Identities):
    """The access to one service, as its settings say; without a file of tokens everybody may do everything.

    ``job_of_model`` gives the job of a model, or raises NotFound, in the service whose paths name models.
    """

    def __init__(
        self, settings: AuthSettings, job_of_model: Callable[[int], int | None] = lambda model_id: None
    ) -> None:
        self._job_of_model = job_of_model
        names = allowed_names(settings)
        self._is_allowed = lru_cache(256)(lambda host: is_allowed(host, names))
        self._origins = settings.cors_origins or ""
        super().__init__(settings)
        if not self.enabled and not settings.allow_anonymous and not is_loopback(settings.host or "127.0.0.1"):
            raise SettingsError(
                f"HOST={settings.host}: others could reach this, and no token is asked for. Make one "
                "(`make token NAME=you SCOPES=read,write`) and set TOKENS_FILE, or set ALLOW_ANONYMOUS=1"
            )

    def check(self) -> None:
        """Let the present request pass, or raise Misdirected, Unauthorized, Forbidden or NotFound."""
        # Past the proxies, which would take longer than the rest: a single line has 0.4 ms for everything.
        asked, found = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]
        environ, method, endpoint = asked.environ, asked.method, asked.endpoint
        found.caller = NOBODY if self.enabled else EVERYBODY
        if not self._is_allowed(environ.get("HTTP_HOST", "")) and asked.path not in _HEALTH:
            raise Misdirected("This is not the host that the request is for; ALLOWED_HOSTS names those that are.")
        ticket = take_ticket() if TICKET in environ.get("QUERY_STRING", "") else None
        if (
            method not in SAFE
            and "HTTP_SEC_FETCH_SITE" in environ
            and is_foreign_page(asked.headers.get, self._origins)
        ):
            raise Forbidden("A page of another origin may not write; CORS_ORIGINS names those that may.")
        # What has no address is nobody's secret, and a preflight carries no token.
        if not self.enabled or endpoint is None or method == "OPTIONS":
            return
        rule = RULES.get(endpoint)
        if rule == OPEN:
            return
        if rule is None:
            log.error("no scope is known for %s", endpoint)
            raise Forbidden("No scope is known for this endpoint.")
        caller = self.identify(ticket)
        if caller is None:
            raise Unauthorized(
                "A token is needed: send Authorization: Bearer <token>, one that is known and not expired."
            )
        found.caller = caller
        self._authorize(caller, rule)

    def _authorize(self, caller: Caller, rule: Rule) -> None:
        if caller.by_cookie and request.method not in SAFE and not is_same_origin(request.headers.get):
            raise Forbidden("A write by cookie needs Sec-Fetch-Site: same-origin, or an Origin that is this host's.")
        if caller.has(rule.scope) or (rule.kernel and caller.has("kernel")):
            return
        if caller.job_id is None or rule.job is None:
            raise Forbidden(f"The scope {rule.scope} is missing.")
        self._authorize_job(caller.job_id, rule)

    def _authorize_job(self, job_id: int, rule: Rule) -> None:
        """Raise what a request for something that does not exist gets, for whatever is not this job's."""
        values = request.view_args or {}
        if rule.job == "path":
            require_job(values["job_id"])
        elif rule.job == "query" and request.args.getlist("job_id") != [str(job_id)]:
            raise Forbidden(f"The scope {rule.scope} is missing; a job's token lists with ?job_id={job_id} alone.")
        elif rule.job == "model" and self._job_of_model(values["model_id"]) != job_id:
            raise NotFound(f"There is no model {values['model_id']}.")


def install(app: Flask, access: Access) -> None:
    """Have an app ask its access about each request."""
    app.extensions[_NAME] = access
    app.before_request(access.check)


def present_access() -> Access:
    """Return the access to the present app."""
    return cast(Access, current_app.extensions[_NAME])


def require_job(job_id: int | None) -> None:
    """Raise NotFound where the caller is another job's training."""
    own = current_caller().job_id
    if own is not None and job_id != own:
        raise NotFound(f"There is no job {job_id}.")


def require_claim(update: Mapping[str, Any]) -> None:
    """Raise Forbidden where a kernel does more to a job than to claim it under its own name."""
    caller = current_caller()
    claim = update.get("status") == "running" and update.get("kernel") == caller.name
    if caller.is_kernel and not claim:
        raise Forbidden(f"The scope write is missing: {caller.name} claims jobs under that name, and ends none.")
