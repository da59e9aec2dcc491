"""Processes as the kernel shows them; any of them may end while it is looked at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

GONE = (FileNotFoundError, ProcessLookupError)
"""What is raised of a process that has ended, by a look at its folder or at a file in it."""


def descendants(pid: int) -> list[int]:
    """Return the pids of the processes that a process has started, and those have, each before its own."""
    found = []
    with suppress(*GONE):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def command_line(pid: int) -> str:
    """Return a process's words with spaces between; none where it has ended."""
    with suppress(*GONE):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def is_alive(pid: int) -> bool:
    """Whether a process still runs, and does not only wait for its parent to take its exit code."""
    with suppress(*GONE):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
