"""`tunedeck open`: the console's page of a job, a model or an evaluation."""

from __future__ import annotations

import webbrowser

import click

from tunedeck_client.cli.commands import guarded
from tunedeck_client.cli.ids import ID
from tunedeck_client.cli.output import json_option, print_json
from tunedeck_client.login import find_login


def page_of(things: str, number: int | None = None) -> str:
    """Return the address of a page of the console."""
    return f"{find_login().url}/ui/{things}" + ("" if number is None else f"/{number}")


@click.command("open")
@click.argument("noun", type=click.Choice(["job", "model", "evaluation"]), required=False)
@click.argument("number", type=ID, metavar="[ID]", required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the address alone.")
@json_option
@guarded
def open_page(noun: str | None, number: int | None, only_print: bool, as_json: bool) -> None:
    """Open a page of the console in the browser and print its address.

    Without arguments that is the first page, without an ID the list.
    """
    address = page_of("" if noun is None else f"{noun}s", number)
    if as_json:
        return print_json({"url": address})
    click.echo(address)
    if not only_print:
        webbrowser.open(address)
    return None
