"""Which object paths are allowed: those that every file system and archive reader can hold."""

from __future__ import annotations

import re

MAX_PATH_BYTES = 1024
MAX_SEGMENT_BYTES = 255

FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\]')
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE | re.DOTALL)


def path_problem(path: str) -> str | None:
    """Say why ``path`` is none that every file system and archive reader can hold, or None."""
    if len(path.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
        return f"Longer than {MAX_PATH_BYTES} bytes."
    if "\ufffd" in path or any("\ud800" <= character <= "\udfff" for character in path):
        return "Must be UTF-8."
    problems = (_segment_problem(segment) for segment in path.split("/"))
    return next((problem for problem in problems if problem is not None), None)


def _segment_problem(segment: str) -> str | None:
    if segment in ("", ".", ".."):
        return "Must not begin or end with a /, nor have an empty segment, . or .. between two."
    if len(segment.encode()) > MAX_SEGMENT_BYTES:
        return f"A segment is longer than {MAX_SEGMENT_BYTES} bytes."
    if FORBIDDEN.search(segment):
        return 'Must not contain control characters, a backslash, nor any of <>:"|?*.'
    if segment[-1] in ". ":
        return "No segment may end with a dot or a space."
    if DEVICE.fullmatch(segment):
        return f"{segment!r} is the name of a device on Windows."
    return None
