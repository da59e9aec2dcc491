"""`make audit`: holds the pinned requirements to known vulnerabilities, by pip-audit or, offline, by OSV's own file.

That file is https://osv.dev's export of PyPI, `all.zip`: fetch it where there is a network, and give it as ADVISORIES.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

FOLDER = Path(__file__).parent


def pins(folder: Path = FOLDER) -> dict[str, str]:
    """Return the version of each distribution in the lock files, by its normal name."""
    found = {}
    for file in folder.glob("*.txt"):
        for name, version in re.findall(r"^([\w.-]+)==([^ ;\\]+)", file.read_text(), re.MULTILINE):
            found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return found


def advisories(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the advisories of an export, withdrawn ones left out."""
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            advisory = json.loads(archive.read(name))
            if "withdrawn" not in advisory:
                yield advisory


def is_affected(affected: dict[str, Any], version: str) -> bool:
    """Say whether a version is in an advisory's list or in one of its ranges (OSV schema, `affected`)."""
    if version in affected.get("versions", ()):
        return True
    return any(
        _is_in_range(spans["events"], Version(version))
        for spans in affected.get("ranges", ())
        if spans["type"] == "ECOSYSTEM"
    )


def _is_in_range(events: list[dict[str, str]], version: Version) -> bool:
    inside = False
    for event in events:
        for kind, text in event.items():
            try:
                bound = Version(text)
            except InvalidVersion:
                continue
            if kind == "introduced" and version >= bound:
                inside = True
            elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
                inside = False
    return inside


def find_vulnerable(file: Path, pinned: dict[str, str]) -> Iterator[str]:
    """Yield a line for each advisory that is about what we pin."""
    for advisory in advisories(file):
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            name = re.sub(r"[-_.]+", "-", package.get("name", "")).lower()
            if package.get("ecosystem") == "PyPI" and name in pinned and is_affected(affected, pinned[name]):
                yield f"{name} {pinned[name]}: {advisory['id']} {advisory.get('summary', '')}".rstrip()


def main(arguments: list[str]) -> None:
    pinned = pins()
    found = sorted(set(find_vulnerable(Path(arguments[0]), pinned)))
    print("\n".join([*found, f"{len(pinned)} pinned distributions, {len(found)} advisories about them"]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
