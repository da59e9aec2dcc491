"""What a service takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.processes import descendants


def memory(master: subprocess.Popen[bytes]) -> int:
    """Return the bytes of its workers, each page once."""
    rollups = (Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in descendants(master.pid))
    return sum(int(line.split()[1]) * 1024 for lines in rollups for line in lines if line.startswith("Pss:"))
