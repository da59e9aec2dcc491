"""What the Hub's API has and this one has not: each address answers 501 and says so."""

from __future__ import annotations

from typing import NoReturn

from flask import redirect
from werkzeug import Response

from services.models.api.hub_requests import tell_error
from services.models.hub.errors import NotOffered
from shared.http.service import Blueprint

blp = Blueprint("absent", __name__)
blp.after_request(tell_error)

_ALL = ["GET", "POST", "PUT", "PATCH", "DELETE"]

_WITHOUT_XET = "Xet-is-not-offered-here:set-HF_HUB_DISABLE_XET=1"


@blp.get("/api/models/<namespace>/<name>/<any('xet-read-token', 'xet-write-token'):kind>/<rest:revision>")
@blp.alt_response(307, description="To an address that says what to do.", success=True)
def get_xet_token(namespace: str, name: str, kind: str, revision: str) -> Response:
    """Refuse Xet, by which clients upload since 1.20, and from which they do not fall back."""
    if revision == _WITHOUT_XET:
        raise NotOffered("Xet is not offered here: set HF_HUB_DISABLE_XET=1, and files go by LFS.")
    # Of a refusal these clients show the status and the address, so it is the address that has to tell.
    return redirect(f"/api/models/{namespace}/{name}/{kind}/{_WITHOUT_XET}", 307)


@blp.route("/api/<any(datasets, spaces):kind>/<rest:rest>", methods=_ALL)
@blp.route(
    "/<any(datasets, spaces):kind>/<namespace>/<name>/resolve/<rest:rest>",
    methods=_ALL,
    endpoint="refuse_files_of_type",
)
def refuse_type(**place: str) -> NoReturn:
    """Refuse repositories of another type, and their files."""
    raise NotOffered("Repositories here are models: there are no datasets and no Spaces.")


@blp.route("/api/<any(models, datasets, spaces):kind>", methods=_ALL, endpoint="refuse_list")
@blp.route("/api/<any(models, repos):kind>/<rest:rest>", methods=_ALL)
def refuse_rest(**place: str) -> NoReturn:
    """Refuse the rest: lists and searches, branches and tags, pull requests and discussions, settings."""
    raise NotOffered(
        "The Hub's API is here for reading and pushing of models; /api/v1/models lists, changes and deletes them."
    )
