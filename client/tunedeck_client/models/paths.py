"""Which paths a model's files may have: those that every file system can hold; pure."""

from __future__ import annotations

import re
import unicodedata

MAX_PATH_BYTES = 1000  # the service's 1,024, less what the storage path may take
MAX_SEGMENT_BYTES = 255

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\\ufffd\ud800-\udfff]')
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE | re.DOTALL
)


def path_problem(path: str) -> str | None:
    """Say why no model can have a file of this path, or None."""
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        return f"the path is longer than {MAX_PATH_BYTES} bytes"
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            return "a part of the path is empty, . or .."
        if _FORBIDDEN.search(segment):
            return 'the name has a control character, a backslash, one of <>:"|?* or bytes that are no UTF-8'
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return f"a name is longer than {MAX_SEGMENT_BYTES} bytes"
        if segment[-1] in ". ":
            return "the name ends with a dot or a space"
        if _DEVICE.fullmatch(segment):
            return "the name is that of a device on Windows"
    return None


def composed(path: str) -> str:
    """Return the path as the service keeps it (NFC): file systems of Macs decompose names."""
    return unicodedata.normalize("NFC", path)


def folded(path: str) -> str:
    """Return what is equal for two paths that some file system takes for one."""
    return composed(composed(path).casefold())
