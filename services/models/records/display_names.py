"""The names under which the API's ``files`` has a model's files; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from services.models.paths import is_below


def name_files(paths: Iterable[str], folders: Sequence[str]) -> dict[str, str]:
    """Map each path below the storage path to the name under which ``files`` has it.

    That is the path below the innermost of ``folders`` that holds the file, else the path itself; where two would
    share a name, both keep their whole path.
    """
    names = {path: _short_name(path, folders) for path in paths}
    while True:
        uses = Counter(names.values())
        shared = [path for path, name in names.items() if uses[name] > 1 and name != path]
        if not shared:
            return names
        # A whole path may now equal another file's short name, so look again.
        names.update((path, path) for path in shared)


def _short_name(path: str, folders: Sequence[str]) -> str:
    around = [folder for folder in folders if folder and is_below(path, folder)]
    return path[len(max(around, key=len)) + 1 :] if around else path
