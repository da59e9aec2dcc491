"""How each file of a push is to come, within the commit or by LFS, and which need not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.models.hub.snapshot import RepoFile

INLINE_BYTES = 5 * 2**20
INLINE_IN_ALL_BYTES = 12 * 2**20
"""Of the files of one question: clients ask of 256 at a time, and send one commit of 64 MiB in base64."""

EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""Git's name of no bytes: clients send an empty file within the commit, whatever they are told."""


def choose_modes(present: Mapping[str, RepoFile], files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return for each of ``files``, path and size, its mode and what names the content that has its path.

    A file whose size did not change is to come by LFS: that goes by the SHA-256, by which a client sees that it
    need not send it.
    """
    left, inline = INLINE_IN_ALL_BYTES, set()
    for file in sorted(files, key=lambda file: int(file["size"])):
        left -= file["size"]
        if file["size"] <= INLINE_BYTES and left >= 0:
            inline.add(file["path"])
    return [_choose(present.get(file["path"]), file, is_inline=file["path"] in inline) for file in files]


def _choose(present: RepoFile | None, file: Mapping[str, Any], *, is_inline: bool) -> dict[str, Any]:
    mode, oid = "regular" if is_inline else "lfs", None
    if present is not None and present.size == file["size"]:
        mode, oid = ("regular", EMPTY_BLOB) if present.size == 0 else ("lfs", present.sha256)
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
