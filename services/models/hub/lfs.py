"""Large files by LFS' batch protocol: their parts go straight into the store, by their SHA-256."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.models.files.announced_files import announce_files, take_announced
from services.models.files.parts import sizes_of
from services.models.files.staged_objects import find_staged, stage
from services.models.hub.snapshot import Snapshot, place_of
from services.models.presigned_urls import PresignedUrls
from services.models.records.models import get_model
from services.models.tables import Model
from shared.errors import Unprocessable
from shared.s3.bucket import Bucket

Actions = Callable[[int], Mapping[str, str]]
"""Gives the addresses that end the upload of a staged row, `complete` and `verify`."""


def announce(model: Model, snapshot: Snapshot, modes: Iterable[Mapping[str, Any]], sizes: Mapping[str, int]) -> None:
    """Remember of a push which new files will come by LFS, so that their parts can be put together in their place."""
    new = [mode["path"] for mode in modes if mode["uploadMode"] == "lfs" and mode["path"] not in snapshot.files]
    if new:
        folders = get_model(model.id).folders
        announce_files(model.id, [(place_of(path, folders), sizes[path]) for path in new])


def batch(
    bucket: Bucket,
    model: Model,
    snapshot: Snapshot,
    objects: Iterable[Mapping[str, Any]],
    urls: PresignedUrls,
    actions: Actions,
) -> list[dict[str, Any]]:
    """Return for each of the objects, oid and size, how to upload it; without actions where it is there."""
    present = {file.sha256 for file in snapshot.files.values()}
    asked = list(objects)
    paths = take_announced(model.id, (wanted["size"] for wanted in asked))
    return [
        {**wanted} if wanted["oid"] in present else _offer(bucket, model, wanted, path, urls, actions)
        for wanted, path in zip(asked, paths, strict=True)
    ]


def _offer(
    bucket: Bucket, model: Model, wanted: Mapping[str, Any], path: str | None, urls: PresignedUrls, actions: Actions
) -> dict[str, Any]:
    place = None if path is None else f"{model.storage_path}/{path}"
    row = stage(bucket, model.id, wanted["oid"], wanted["size"], place)
    if row.is_whole:
        return {**wanted}
    to_end = actions(row.id)
    links = {str(number): urls.part_url(row.key, row.store_id, number) for number in sizes_of(row)}
    upload = {"href": to_end["complete"], "header": {"chunk_size": str(row.part_size), **links}}
    return {**wanted, "authenticated": True, "actions": {"upload": upload, "verify": {"href": to_end["verify"]}}}


def require_staged(model_id: int, sha256: str, size: int) -> None:
    """Raise Unprocessable unless this content of that size is staged, whole."""
    row = find_staged(model_id, [sha256]).get(sha256)
    if row is None or row.size != size:
        raise Unprocessable.field("oid", f"Nothing of {size} bytes came that is {sha256}.")
