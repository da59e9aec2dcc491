"""`make licences`: prints the licence of each distribution that `make run` and the images install, by its metadata."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

FOLDER = Path(__file__).parent

UNSAID = {"async-timeout": "Apache-2.0", "peewee": "MIT"}
"""By their licence files: the one is for older Pythons alone, and the other's metadata does not say."""


def licence(name: str) -> str:
    """Return a distribution's licence: its expression, else its classifiers, else the first line of its field."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return UNSAID.get(name, "not installed here")
    if found.get("License-Expression"):
        return str(found["License-Expression"])
    named = [row.rpartition(" :: ")[2] for row in found.get_all("Classifier") or () if row.startswith("License ::")]
    first = (str(found.get("License") or "").strip() or "unknown").splitlines()[0]
    return ", ".join(row for row in named if row != "OSI Approved") or UNSAID.get(name, first)


def licences() -> dict[str, tuple[str, str]]:
    """Return the version and the licence of each distribution by its name."""
    pinned = re.findall(r"^([\w.-]+)==([^ ;\\]+)", (FOLDER / "run.txt").read_text(), re.MULTILINE)
    return {name: (version, licence(name)) for name, version in pinned}


def main() -> None:
    print("# Licences\n\nOf what `make run` and the images install, by its own metadata (`make licences`).\n")
    print("| distribution | version | licence |\n| --- | --- | --- |")
    for name, (version, text) in licences().items():
        print(f"| {name} | {version} | {text} |")


if __name__ == "__main__":
    main()
