"""The folders below a user's home that the client keeps files in (XDG Base Directory Specification)."""

from __future__ import annotations

import os
import tempfile


def state_folder() -> str:
    """Return where what an interrupted command left is kept: `$XDG_STATE_HOME/tunedeck`, say."""
    return _folder("XDG_STATE_HOME", ".local", "state")


def config_folder() -> str:
    """Return where `tunedeck login` keeps address and token: `$XDG_CONFIG_HOME/tunedeck`, say."""
    return _folder("XDG_CONFIG_HOME", ".config")


def _folder(variable: str, *below_home: str) -> str:
    for base in (os.environ.get(variable, ""), os.path.join(os.path.expanduser("~"), *below_home)):
        if os.path.isabs(base):  # a relative one is to be ignored; "~" stays where no home is known
            return os.path.join(base, "tunedeck")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return os.path.join(tempfile.gettempdir(), f"tunedeck-{user}")
