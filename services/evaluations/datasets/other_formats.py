"""Files that are no test sets as they are: known by their first bytes, refused with how to convert them; pure."""

from __future__ import annotations

_CONVERT = "Convert it: "
_BY_START = {
    b"PAR1": "Is Parquet. " + _CONVERT + "duckdb -c \"COPY (FROM 'set.parquet') TO 'set.jsonl' (FORMAT json)\".",
    b"ARROW1": "Is an Arrow file. " + _CONVERT + 'python -c "import datasets; '
    "datasets.Dataset.from_file('set.arrow').to_json('set.jsonl')\".",
    b"PK\x03\x04": "Is a ZIP archive or a spreadsheet. " + _CONVERT + "save it as CSV, in UTF-8.",
    b"\x1f\x8b": "Is compressed by gzip. Decompress it: gunzip set.jsonl.gz.",
    b"\x28\xb5\x2f\xfd": "Is compressed by Zstandard. Decompress it: unzstd set.jsonl.zst.",
    b"SQLite format 3\0": "Is an SQLite database. " + _CONVERT + "sqlite3 -csv -header set.db 'SELECT * FROM rows'.",
}


def format_problem(start: bytes) -> str | None:
    """Return what a file is instead, and how to convert it; None where its first bytes are not known."""
    return next((problem for known, problem in _BY_START.items() if start.startswith(known)), None)
