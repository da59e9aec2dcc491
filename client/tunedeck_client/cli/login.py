"""`tunedeck login`: keeps the address and the token."""

from __future__ import annotations

import sys

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli.commands import guarded
from tunedeck_client.cli.output import json_option, print_json, tell
from tunedeck_client.login import Login, find_login, keep_login


@click.command("login")
@click.option("--url", help="The gateway's address; else you are asked.")
@json_option
@guarded
def log_in(url: str | None, as_json: bool) -> None:
    """Keep an address and a token, once they work. The token is asked for, or read from a pipe."""
    present = find_login(url)
    address = present.url
    if url is None and sys.stdin.isatty():
        address = find_login(click.prompt("Address", default=present.url, err=True)).url
    if sys.stdin.isatty():
        token = click.prompt("Token (none: Enter)", default="", hide_input=True, show_default=False, err=True)
    else:
        token = sys.stdin.readline()
    login = Login(address, token.strip() or None)
    with Tunedeck(login.url, login.token) as tunedeck:
        tunedeck.check()
    path = keep_login(login)
    if as_json:
        return print_json({"url": login.url, "file": path})
    return tell(f"logged in at {login.url}, kept in {path}")
