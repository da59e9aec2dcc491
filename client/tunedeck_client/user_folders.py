"""The folders below a user's home that the client keeps files in (XDG Base Directory Specification)."""

from __future__ import annotations

import os
import tempfile


def state_folders() -> list[str]:
    """Return where to keep what an interrupted command left, in turn: `$XDG_STATE_HOME/tunedeck`, say."""
    return _folders("XDG_STATE_HOME", ".local", "state")


def config_folder() -> str:
    """Return where `tunedeck login` keeps address and token: `$XDG_CONFIG_HOME/tunedeck`, say."""
    return _folders("XDG_CONFIG_HOME", ".config")[0]


def _folders(variable: str, *below_home: str) -> list[str]:
    bases = (os.environ.get(variable, ""), os.path.join(os.path.expanduser("~"), *below_home))
    # A relative one is to be ignored; "~" stays where no home is known.
    of_user = [os.path.join(base, "tunedeck") for base in bases if os.path.isabs(base)][:1]
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return [*of_user, os.path.join(os.path.abspath(tempfile.gettempdir()), f"tunedeck-{user}")]
