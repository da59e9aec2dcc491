"""Where the service is and who asks: the environment, then what `tunedeck login` kept, then this machine."""

from __future__ import annotations

import json
import os
import tempfile
from typing import NamedTuple

from tunedeck_client.errors import BadFolder, blaming
from tunedeck_client.transport.address import base_url
from tunedeck_client.user_folders import config_folder

DEFAULT_URL = "http://localhost:8080"


class Login(NamedTuple):
    url: str
    token: str | None


def login_file() -> str:
    return os.path.join(config_folder(), "login.json")


def find_login(url: str | None = None, token: str | None = None) -> Login:
    """Return the address and the token; one that was kept goes to the address that it was kept for, only."""
    kept = _read()
    address = base_url(url or os.environ.get("TUNEDECK_URL") or (kept.url if kept else DEFAULT_URL))
    given = token or os.environ.get("TUNEDECK_TOKEN")
    if given is None and kept is not None and kept.url == address:
        given = kept.token
    return Login(address, given or None)


def _read() -> Login | None:
    try:
        with open(login_file(), encoding="utf-8") as file:
            kept = json.load(file)
        return Login(base_url(kept["url"]), kept.get("token"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFolder(f"{login_file()} cannot be read ({error}): log in again") from error


def keep_login(login: Login) -> str:
    """Write address and token to a file that nobody else can read, and return its path."""
    path = login_file()
    with blaming(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor, new = tempfile.mkstemp(prefix=".login-", dir=os.path.dirname(path))  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(login._asdict(), file)
        os.replace(new, path)
    return path
