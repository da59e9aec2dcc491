"""The version of the project, as the client's distribution states it: the one place where it is written."""

from __future__ import annotations

import runpy
from pathlib import Path

# Run and not imported: an image holds this file of the client's and nothing else of it.
_FILE = Path(__file__).parents[1] / "client" / "tunedeck_client" / "version.py"

VERSION: str = runpy.run_path(str(_FILE))["__version__"]
