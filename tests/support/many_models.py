"""Models by the hundred thousand, for tests and benchmarks of their list."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from services.models.tables import Model
from shared.database.connect import Database
from shared.timestamps import to_micros

_COLUMNS = (
    *("name", "description", "base_model", "type", "job_id", "served_name", "storage_path", "lora_adapters_path"),
    *("gguf_path", "training_metrics", "status", "total_size", "revision", "created_at", "updated_at"),
)
_AT_ONCE = 50_000


def fill_models(database: Database, count: int, first: datetime) -> None:
    """Insert ``count`` models, one for each second from ``first`` on.

    Two share a job; there are 100 base models, two thirds are of type lora, nine in ten are ready.
    """
    for start in range(0, count, _AT_ONCE):
        rows = [_row(number, first) for number in range(start, min(count, start + _AT_ONCE))]
        with database.atomic():
            database.insert_rows(Model, _COLUMNS, rows)


def _row(number: int, first: datetime) -> tuple[Any, ...]:
    created_at = to_micros(first + timedelta(seconds=number))
    name, path = f"Model {number}", str(number)
    kind, status = "lora" if number % 3 else "full", "ready" if number % 10 else "uploading"
    texts = (name, "A model. " * 8, f"base-{number % 100}", kind, number // 2 + 1, name)
    folders = (path, f"{path}/lora_adapters", f"{path}/gguf", '{"loss":0.1}')
    return (*texts, *folders, status, 1000, 1, created_at, created_at)
