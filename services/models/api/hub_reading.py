"""The endpoints of the Hub API that read: repositories, their revisions and files."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, jsonify, request

from services.models.api.hub_requests import requested_snapshot, sent_paths, tell_error
from services.models.api.hub_schemas import InfoQuery, TreeQuery
from services.models.api.request_urls import NO_STORE, request_urls
from services.models.hub.errors import Elsewhere
from services.models.hub.resolve import MAIN, resolve
from services.models.hub.snapshot import RepoFile, Snapshot
from services.models.hub.tree import list_tree, show_file, show_paths
from services.models.hub.upstream import Upstream
from services.models.tables import Model
from shared.http.collaborators import collaborator
from shared.http.errors import error_response
from shared.http.service import Blueprint

blp = Blueprint("hub", __name__)
blp.after_request(tell_error)

REPO = "/api/models/<namespace>/<name>"


@blp.get(REPO)
@blp.get(f"{REPO}/revision/<rest:revision>", endpoint="get_revision")
@blp.arguments(InfoQuery, location="query")
def get_repository(query: dict[str, bool], namespace: str, name: str, revision: str | None = None) -> Response:
    """Show a repository as of a revision, the present one unless another is named."""
    model, snapshot = requested_snapshot(namespace, name, revision)
    return jsonify(_show_repository(model, snapshot, f"{namespace}/{name}", **query))


def _show_repository(model: Model, snapshot: Snapshot, repo_id: str, *, blobs: bool) -> dict[str, Any]:
    return {
        "_id": f"{model.id:024x}",
        "id": repo_id,
        "modelId": repo_id,
        "sha": snapshot.sha,
        "lastModified": f"{model.updated_at:%Y-%m-%dT%H:%M:%S}.000Z",
        "createdAt": f"{model.created_at:%Y-%m-%dT%H:%M:%S}.000Z",
        "private": False,
        "gated": False,
        "disabled": False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "siblings": [_show_sibling(file, blobs=blobs) for file in snapshot.files.values()],
    }


def _show_sibling(file: RepoFile, *, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.name}
    shown = show_file(file)
    lfs = {"sha256": file.sha256, "size": file.size, "pointerSize": shown["lfs"]["pointerSize"]}
    return {"rfilename": file.name, "size": file.size, "blobId": shown["oid"], "lfs": lfs}


@blp.get(f"{REPO}/refs")
def list_refs(namespace: str, name: str) -> Response:
    """List the one branch of a repository."""
    _, snapshot = requested_snapshot(namespace, name)
    branch = {"name": MAIN, "ref": f"refs/heads/{MAIN}", "targetCommit": snapshot.sha}
    return jsonify({"branches": [branch], "tags": [], "converts": []})


@blp.get(f"{REPO}/tree/<revision>", endpoint="list_root")
@blp.get(f"{REPO}/tree/<revision>/<rest:folder>")
@blp.arguments(TreeQuery, location="query")
def list_folder(query: dict[str, Any], namespace: str, name: str, revision: str, folder: str = "") -> Response:
    """List what lies in a revision or a folder of it, a thousand at a time."""
    _, snapshot = requested_snapshot(namespace, name, revision)
    page, next_after = list_tree(snapshot, folder.strip("/"), **query)
    answer = jsonify(page)
    if next_after is not None:
        rest = urlencode({"recursive": str(query["recursive"]).lower(), "cursor": next_after})
        answer.headers["Link"] = f'<{request_urls().address}{quote(request.path)}?{rest}>; rel="next"'
    return answer


@blp.post(f"{REPO}/paths-info/<rest:revision>")
def get_paths_info(namespace: str, name: str, revision: str) -> Response:
    """Show those of some paths that are there, files and folders."""
    _, snapshot = requested_snapshot(namespace, name, revision)
    return jsonify(show_paths(snapshot, sent_paths()))


@blp.get("/<namespace>/<name>/resolve/<revision>/<rest:path>")
@blp.alt_response(302, description="To a fresh link.", success=True)
def resolve_file(namespace: str, name: str, revision: str, path: str) -> Response:
    """Say what a file is (HEAD), or redirect to a fresh link to it (GET)."""
    model, snapshot = requested_snapshot(namespace, name, revision)
    return _answer_file(model, snapshot, *resolve(model, snapshot, path))


@blp.errorhandler(Elsewhere)
def answer_elsewhere(error: Elsewhere) -> Response:
    """Say of a file what the upstream says of it (HEAD), or redirect there."""
    is_asked = request.method == "HEAD" and request.endpoint == "hub.resolve_file"
    told = collaborator(Upstream).find_file(error.url) if is_asked else None
    if told is None:
        return error_response(error.status, error.message, headers=error.headers)
    # A redirect they would not follow; or, to huggingface.co, which clients take for one of theirs, with their token.
    if told.status == 200:
        return _answer_head({**NO_STORE, **told.headers})
    return error_response(told.status, told.message, headers=told.headers)


def _answer_file(model: Model, snapshot: Snapshot, file: RepoFile, etag: str | None) -> Response:
    tag = f'"{file.sha256}"'
    headers = {**NO_STORE, "X-Repo-Commit": snapshot.sha, "ETag": tag, "X-Linked-ETag": tag}
    headers |= {"X-Linked-Size": str(file.size), "Accept-Ranges": "none" if file.text is not None else "bytes"}
    if file.text is not None:
        return Response(file.text, headers=headers, mimetype="text/plain")
    # The Hub's clients take the link from the answer to HEAD, too, and ask us once instead of twice.
    headers["Location"] = request_urls().object_url(f"{model.storage_path}/{file.path}", etag)
    if request.method != "HEAD":
        return Response(status=302, headers=headers)
    # A redirect would be followed with HEAD, for which the link is not signed; and an empty answer would have an empty
    # file for its content.
    return _answer_head({**headers, "Content-Length": str(file.size)})


def _answer_head(headers: dict[str, str]) -> Response:
    return Response(iter(()), headers=headers, mimetype="application/octet-stream", direct_passthrough=True)
