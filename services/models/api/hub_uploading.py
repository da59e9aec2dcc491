"""The endpoints of the Hub API that write: repositories, content by LFS, commits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, request

from services.models.api.hub_requests import requested_model, tell_error
from services.models.api.hub_schemas import (
    CommitQuery,
    LfsBatchSchema,
    LfsCompleteSchema,
    LfsObjectSchema,
    NewRepositorySchema,
    PreuploadSchema,
)
from services.models.api.request_urls import NO_STORE, request_urls
from services.models.files.staged_objects import complete_staged
from services.models.hub.commit import apply_commit
from services.models.hub.commit_limit import MAX_COMMIT_BYTES, MAX_LINE_BYTES, CommitLimit
from services.models.hub.commit_lines import read_commit
from services.models.hub.errors import NotOffered
from services.models.hub.lfs import announce, batch, require_staged
from services.models.hub.repositories import create_repository, find_model
from services.models.hub.resolve import require_branch
from services.models.hub.snapshot import Snapshots
from services.models.hub.upload_modes import choose_modes
from services.models.repo_ids import namespace_of, parse_numbered, repo_id_problem
from shared.auth.access import present_access
from shared.auth.identities import current_caller
from shared.errors import Forbidden, Unprocessable
from shared.http.body import read_lines
from shared.http.collaborators import collaborator
from shared.http.errors import error_body
from shared.http.service import Blueprint
from shared.s3.bucket import Bucket

LFS = "application/vnd.git-lfs+json"

blp = Blueprint("hub_uploading", __name__)
blp.after_request(tell_error)


@blp.get("/api/whoami-v2")
def get_caller() -> Response:
    """Say whose the token is, and in which namespace names without one are."""
    caller = current_caller()
    name, role = namespace_of(caller.name), "write" if caller.has("write") else "read"
    token = {"displayName": caller.name, "role": role}
    return jsonify(
        {"type": "user", "name": name, "fullname": caller.name, "isPro": False, "orgs": []}
        | {"auth": {"type": "access_token", "accessToken": token}}
    )


@blp.post("/api/validate-yaml")
def validate_card() -> Response:
    """Accept a card's metadata: nothing here depends on it."""
    return jsonify({"errors": [], "warnings": []})


@blp.post("/api/repos/create")
@blp.arguments(NewRepositorySchema)
def create(new: dict[str, Any]) -> Response:
    """Create a repository, a model that awaits its first commit."""
    repo_id = _new_repo_id(**new)
    model, is_new = create_repository(collaborator(Bucket), repo_id, current_caller().job_id)
    if current_caller().job_id not in (None, model.job_id):
        raise Forbidden(f"The scope write is missing: {repo_id} is of another job.")
    created = {"url": f"{request_urls().address}/{repo_id}", "name": repo_id, "id": f"{model.id:024x}"}
    if is_new:
        return jsonify(created)
    conflict = jsonify(error_body(409, f"There is a repository {repo_id} already.") | created)
    conflict.status_code = 409
    return conflict


def _new_repo_id(name: str, organization: str | None, type: str | None) -> str:
    if type not in (None, "model"):
        raise NotOffered("Repositories here are models: there are no datasets and no Spaces.")
    repo_id = f"{organization or namespace_of(current_caller().name)}/{name}"
    problem = repo_id_problem(repo_id)
    if problem is not None and (parse_numbered(repo_id) is None or find_model(repo_id) is None):
        raise Unprocessable.field("name", problem)
    return repo_id


@blp.post("/api/models/<namespace>/<name>/preupload/<rest:revision>")
@blp.arguments(PreuploadSchema)
@blp.arguments(CommitQuery, location="query")
def preupload(body: dict[str, Any], query: dict[str, bool], namespace: str, name: str, revision: str) -> Response:
    """Say how each file of a push is to come, and which need not."""
    _refuse_pull_request(query)
    model = requested_model(namespace, name)
    require_branch(revision)
    snapshot = collaborator(Snapshots).get(model)
    modes = choose_modes(snapshot.files, body["files"])
    announce(model, snapshot, modes, {file["path"]: file["size"] for file in body["files"]})
    return jsonify({"files": modes})


@blp.post("/<namespace>/<name>.git/info/lfs/objects/batch")
@blp.arguments(LfsBatchSchema)
def begin_objects(body: dict[str, Any], namespace: str, name: str) -> Response:
    """Give links for the parts of files that are not there yet."""
    model = requested_model(namespace, name)
    snapshot, urls = collaborator(Snapshots).get(model), request_urls()
    path = f"/api/models/{namespace}/{name}/lfs"

    def end(staged_id: int) -> Mapping[str, str]:
        # The client sends no token to the first of the two.
        complete = present_access().add_ticket(f"{path}/{staged_id}/complete", urls.expire_at, "upload")
        return {"complete": urls.address + complete, "verify": f"{urls.address}{path}/verify"}

    objects = batch(collaborator(Bucket), model, snapshot, body["objects"], urls, end)
    answer = jsonify({"transfer": "multipart", "objects": objects})
    answer.headers.update({**NO_STORE, "Content-Type": LFS})
    return answer


@blp.post("/api/models/<namespace>/<name>/lfs/<id:staged_id>/complete")
@blp.arguments(LfsCompleteSchema)
def complete_object(body: dict[str, Any], namespace: str, name: str, staged_id: int) -> Response:
    """Make the parts the content; idempotent."""
    model = requested_model(namespace, name)
    complete_staged(collaborator(Bucket), model.id, staged_id, body["parts"])
    return jsonify({})


@blp.post("/api/models/<namespace>/<name>/lfs/verify")
@blp.arguments(LfsObjectSchema)
def verify_object(body: dict[str, Any], namespace: str, name: str) -> Response:
    """Say that the content is there, whole; what it is will be read once it is committed."""
    require_staged(requested_model(namespace, name).id, body["oid"], body["size"])
    return jsonify({})


@blp.post("/api/models/<namespace>/<name>/commit/<rest:revision>")
@blp.arguments(CommitQuery, location="query")
def commit(query: dict[str, bool], namespace: str, name: str, revision: str) -> Response:
    """Make a push the model's next revision, ready."""
    _refuse_pull_request(query)
    model = requested_model(namespace, name)
    require_branch(revision)
    with collaborator(CommitLimit).admit(request.content_length):
        change = read_commit(read_lines(MAX_COMMIT_BYTES, MAX_LINE_BYTES))
        sha = apply_commit(collaborator(Bucket), collaborator(Snapshots), model.id, change)
    url = f"{request_urls().address}/{namespace}/{name}/commit/{sha}"
    return jsonify({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})


def _refuse_pull_request(query: Mapping[str, bool]) -> None:
    if query["create_pr"]:
        raise NotOffered("There are no pull requests here: push to main.")
