"""What requests of the Hub API have in common: the repository that they name, and how errors are told."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote

from flask import Response, request

from services.models.hub.errors import Elsewhere, RepoNotFound
from services.models.hub.repositories import find_model
from services.models.hub.resolve import require_revision
from services.models.hub.snapshot import Snapshot, Snapshots
from services.models.repo_ids import OURS
from services.models.settings import Settings
from services.models.tables import Model
from shared.auth.identities import current_caller
from shared.http.body import read_body
from shared.http.collaborators import collaborator

FORM_BYTES = 8 * 2**20


def requested_model(namespace: str, name: str, *, may_be_elsewhere: bool = False) -> Model:
    """Return the model that a request names, or raise RepoNotFound, the same for what its caller may not see.

    Where there is an upstream, one that is not ours ``may_be_elsewhere``: then Elsewhere.
    """
    repo_id = f"{namespace}/{name}"
    model = find_model(repo_id)
    own = current_caller().job_id
    if model is not None and own in (None, model.job_id):
        return model
    upstream = collaborator(Settings).hub_upstream
    if model is None and may_be_elsewhere and upstream is not None and namespace != OURS:
        query = request.query_string.decode("latin-1")
        raise Elsewhere(f"{upstream.rstrip('/')}{quote(request.path)}{'?' if query else ''}{query}")
    raise RepoNotFound(repo_id)


def requested_snapshot(namespace: str, name: str, revision: str | None = None) -> tuple[Model, Snapshot]:
    """Return the model that a request to read names, and the revision; RepoNotFound, RevisionNotFound or Elsewhere."""
    model = requested_model(namespace, name, may_be_elsewhere=True)
    snapshot = collaborator(Snapshots).get(model)
    if revision is not None:
        require_revision(snapshot, revision)
    return model, snapshot


def sent_paths() -> list[str]:
    """Return the `paths` of a form."""
    form = read_body(FORM_BYTES).decode(errors="replace")
    return [value for name, value in parse_qsl(form) if name == "paths"]


def tell_error(response: Response) -> Response:
    """Put an error's message where the Hub's clients look for it."""
    if response.status_code >= 400 and response.is_json:
        message = response.get_json()["message"]
        response.headers["X-Error-Message"] = message.encode("ascii", "backslashreplace").decode().replace("\n", " ")
    return response
