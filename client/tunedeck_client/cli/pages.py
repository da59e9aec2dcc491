"""`tunedeck open`: the console's page of a job, a model or an evaluation."""

from __future__ import annotations

import webbrowser
from enum import Enum

import typer

from tunedeck_client.cli.output import AsJSON, print_json
from tunedeck_client.login import find_login


class Noun(str, Enum):
    """What has a page."""

    job = "job"
    model = "model"
    evaluation = "evaluation"


def page_of(things: str, number: int | None = None) -> str:
    """Return the address of a page of the console."""
    return f"{find_login().url}/ui/{things}" + ("" if number is None else f"/{number}")


def open_page(
    noun: Noun | None = typer.Argument(None, help="Of what; else the first page."),
    number: int | None = typer.Argument(None, metavar="ID", min=1, help="Its ID; else the list."),
    only_print: bool = typer.Option(False, "--print", help="Print the address alone."),
    as_json: bool = AsJSON,
) -> None:
    """Open a page of the console in the browser and print its address."""
    address = page_of("" if noun is None else f"{noun.value}s", number)
    if as_json:
        return print_json({"url": address})
    typer.echo(address)
    if not only_print:
        webbrowser.open(address)
    return None
