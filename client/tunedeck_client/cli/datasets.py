"""`tunedeck datasets`: test sets."""

from __future__ import annotations

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli.commands import show_message, shown_by
from tunedeck_client.cli.output import limit_option, print_table, size, tell
from tunedeck_client.transport.pages import Record


@click.group()
def datasets() -> None:
    """Upload, list and delete test sets."""


def _show_pushed(made: Record) -> None:
    tell(f"{made['rows']} row{'' if made['rows'] == 1 else 's'}, {size(made['size'])}")
    click.echo(made["name"])


@datasets.command("push")
@click.argument("file")
@click.option("--name", help="Its name there; else the file's.")
@shown_by(_show_pushed)
def push_dataset(tunedeck: Tunedeck, file: str, name: str | None) -> Record:
    """Upload a test set, JSON or JSON Lines of {"input", "expected"}, and print its name."""
    return tunedeck.push_dataset(file, name)


def _show_datasets(found: list[Record]) -> None:
    print_table(
        ("NAME", "ROWS", "SIZE", "CREATED"),
        ([each["name"], each["rows"], size(each["size"]), each["created_at"]] for each in found),
    )


@datasets.command("list")
@limit_option
@shown_by(_show_datasets)
def list_datasets(tunedeck: Tunedeck, limit: int) -> list[Record]:
    """List test sets, newest first."""
    return tunedeck.datasets(limit=limit)


@datasets.command("delete")
@click.argument("name")
@shown_by(show_message)
def delete_dataset(tunedeck: Tunedeck, name: str) -> dict[str, str]:
    """Delete a test set."""
    return {"message": tunedeck.delete_dataset(name)}
