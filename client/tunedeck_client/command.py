"""The command `tunedeck`: `run` works in the bare install, everything else with the extra `cli`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Sequence

from tunedeck_client.models.upload import upload_model

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["run"]:
        return _run(words[1:])
    if importlib.util.find_spec("click") is None:
        return _refuse("of this install only `tunedeck run` works: pip install 'tunedeck-client[cli]'")
    return int(importlib.import_module("tunedeck_client.cli").main(words) or 0)


def _run(words: list[str]) -> int:
    if sys.platform == "win32":
        return _refuse("`tunedeck run` needs a POSIX system")
    # Not above: elsewhere than on POSIX it cannot be imported, and the other commands work all the same.
    run = importlib.import_module("tunedeck_client.run.main")
    try:
        return int(run.main(words, upload=upload_model))
    except KeyboardInterrupt:  # while the job is claimed; the command has not begun
        return INTERRUPTED


def _refuse(why: str) -> int:
    print(f"tunedeck: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
