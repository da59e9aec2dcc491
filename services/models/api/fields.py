"""Fields of models and their files: paths, checksums, repository ids, times."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

import marshmallow as ma

from services.models.files.staged_objects import FOLDER as STAGING
from services.models.repo_ids import namespace_of, repo_id_problem
from shared.auth.identities import current_caller
from shared.http.fields import JSONObject, Text
from shared.s3.object_paths import path_problem
from shared.timestamps import parse_time

MAX_METRICS_BYTES = 4 * 2**20


class Crc32(ma.fields.Field[int]):
    """Eight hexadecimal digits."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value:08x}"


class ObjectPath(Text):
    """A path that every file system can hold."""

    def problem(self, text: str) -> str | None:
        return super().problem(text) or path_problem(text)


class StoragePath(ObjectPath):
    """A path where a model may lie."""

    def problem(self, text: str) -> str | None:
        is_staging = f"{text}/".startswith(f"{STAGING}/")
        pushed = f"What lies below {STAGING}/ is being pushed, and swept after a day."
        return super().problem(text) or (pushed if is_staging else None)


class TrainingMetrics(JSONObject):
    """An object of at most 4 MiB; figures that are no numbers come as the strings ``"NaN"`` and ``"Infinity"``."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        metrics = super()._deserialize(value, attr, data, **kwargs)
        if len(json.dumps(metrics, ensure_ascii=False)) > MAX_METRICS_BYTES:
            raise ma.ValidationError(f"Must have at most {MAX_METRICS_BYTES} bytes.")
        return metrics


class FilePath(ObjectPath):
    """The path of a file, composed (NFC): one that a Mac spells decomposed is the same file."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs))


class RepoId(Text):
    """A repository id; a name without a namespace lies in the namespace of whoever sends it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        repo_id = name if "/" in name else f"{namespace_of(current_caller().name)}/{name}"
        if (problem := repo_id_problem(repo_id)) is not None:
            raise ma.ValidationError(problem)
        return repo_id


class Moment(ma.fields.Field[datetime]):
    """A time, or a date: then its first moment or, for ``last``, its last."""

    def __init__(self, *, last: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._clock = time.max if last else time.min

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
                return datetime.combine(datetime.fromisoformat(value), self._clock, UTC)
            return parse_time(value)
        except ValueError as error:
            form = "Must be a date, as 2024-02-19, or a time in RFC 3339, as 2024-02-19T10:30:45Z."
            raise ma.ValidationError(str(error) if "%2B" in str(error) else form) from error
