"""The command `tunedeck`: `run` works in the bare install, everything else with the extra `cli`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Sequence

from tunedeck_client.models.upload import upload_model
from tunedeck_client.run.main import main as run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["run"]:
        return run(words[1:], upload=upload_model)
    if importlib.util.find_spec("typer") is None:
        print(
            "tunedeck: of this install only `tunedeck run` works: pip install 'tunedeck-client[cli]'",
            file=sys.stderr,
        )
        return 2
    cli = importlib.import_module("tunedeck_client.cli")
    return int(cli.main(words) or 0)


if __name__ == "__main__":
    sys.exit(main())
