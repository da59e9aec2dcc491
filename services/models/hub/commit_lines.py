"""Reads the lines of a commit: what it adds, by content or by checksum, and what it deletes; pure."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.errors import BadRequest, TooLarge, Unprocessable
from shared.http import strict_json
from shared.s3.object_paths import path_problem

MAX_OPERATIONS = 10_000

Content = TypeVar("Content", bytes, str)


@dataclass
class Commit:
    """What a commit changes, by the names of files in the repository; of two lines for one the later counts."""

    parent: str | None = None
    contents: dict[str, bytes] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    """SHA-256 of what was staged, or is in the repository."""
    deleted_files: list[str] = field(default_factory=list)
    deleted_folders: list[str] = field(default_factory=list)


def read_commit(lines: Iterable[bytes]) -> Commit:
    """Return the commit of an NDJSON body: a `header`, then `file`, `lfsFile`, `deletedFile` and `deletedFolder`.

    Raises BadRequest (no JSON), Unprocessable (no such operation, or a bad field of one) and TooLarge.
    """
    commit = Commit()
    count = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        count += 1
        if count > MAX_OPERATIONS + 1:
            raise TooLarge(f"A commit has at most {MAX_OPERATIONS} files; push them in several.")
        try:
            _take(commit, strict_json.loads(line), is_first=count == 1)
        except (BadRequest, Unprocessable) as error:
            raise type(error)(f"Line {number}: {error.message}", errors=error.errors) from error
    if count == 0:
        raise Unprocessable.field("header", "Must come first.")
    return commit


def _take(commit: Commit, item: Any, *, is_first: bool) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("value"), dict):
        raise Unprocessable.field("value", "Must be an object.")
    key, value = item.get("key"), item["value"]
    if is_first != (key == "header"):
        raise Unprocessable.field("header", "Must come first, and once.")
    if key == "header":
        commit.parent = _text(value, "parentCommit", required=False) or None
    elif key == "file":
        _add(commit, commit.contents, _path(value), _content(value))
    elif key == "lfsFile":
        _add(commit, commit.checksums, _path(value), _checksum(value))
    elif key == "deletedFile":
        commit.deleted_files.append(_path(value))
    elif key == "deletedFolder":
        commit.deleted_folders.append(_path(value))
    else:
        raise Unprocessable.field("key", "Must be file, lfsFile, deletedFile or deletedFolder.")


def _add(commit: Commit, part: dict[str, Content], path: str, content: Content) -> None:
    commit.contents.pop(path, None)
    commit.checksums.pop(path, None)
    part[path] = content


def _path(value: Mapping[str, Any]) -> str:
    path = unicodedata.normalize("NFC", _text(value, "path").rstrip("/"))
    if (problem := path_problem(path)) is not None:
        raise Unprocessable.field("path", f"{path[:100]}: {problem}")
    return path


def _content(value: Mapping[str, Any]) -> bytes:
    text, encoding = _text(value, "content"), value.get("encoding", "utf-8")
    if encoding == "utf-8":
        return text.encode()
    if encoding != "base64":
        raise Unprocessable.field("encoding", "Must be base64 or utf-8.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unprocessable.field("content", "Must be base64.") from error


def _checksum(value: Mapping[str, Any]) -> str:
    if value.get("algo", "sha256") != "sha256":
        raise Unprocessable.field("algo", "Must be sha256.")
    oid = _text(value, "oid").lower()
    if not re.fullmatch("[0-9a-f]{64}", oid):
        raise Unprocessable.field("oid", "Must be 64 hexadecimal digits.")
    return oid


def _text(value: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    text = value.get(name)
    if text is None and not required:
        return ""
    if not isinstance(text, str):
        raise Unprocessable.field(name, "Must be a text.")
    return text
