"""Which files of a model a download has: those that are included, but for those that are excluded; pure."""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import urlencode

from services.models.paths import is_below


class Selection(NamedTuple):
    """Paths below the storage path: ``include`` a file or a folder each, ``exclude`` also a glob (``*.bin``)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        return not self.include and not self.exclude

    def admits(self, path: str) -> bool:
        path = unicodedata.normalize("NFC", path)
        included = not self.include or any(path == name or is_below(path, name) for name in self.include)
        return included and not any(
            path == name or is_below(path, name) or fnmatchcase(path, name) for name in self.exclude
        )

    @property
    def query(self) -> str:
        """The query string that asks for it, with its question mark; empty for all."""
        pairs = [*(("include", name) for name in self.include), *(("exclude", name) for name in self.exclude)]
        return f"?{urlencode(pairs, safe='/*')}" if pairs else ""

    def __str__(self) -> str:
        text = " or ".join(self.include) or "at all"
        return f"{text} that is not {' or '.join(self.exclude)}" if self.exclude else text
