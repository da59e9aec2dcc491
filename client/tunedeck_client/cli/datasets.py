"""`tunedeck datasets`: test sets."""

from __future__ import annotations

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli.guard import guarded
from tunedeck_client.cli.output import json_option, limit_option, print_json, print_table, size, tell


@click.group()
def datasets() -> None:
    """Upload, list and delete test sets."""


@datasets.command("push")
@click.argument("file")
@click.option("--name", help="Its name there; else the file's.")
@json_option
@guarded
def push_dataset(file: str, name: str | None, as_json: bool) -> None:
    """Upload a test set, JSON or JSON Lines of {"input", "expected"}, and print its name."""
    with Tunedeck() as tunedeck:
        made = tunedeck.push_dataset(file, name)
    if as_json:
        return print_json(made)
    tell(f"{made['rows']} row{'' if made['rows'] == 1 else 's'}, {size(made['size'])}")
    return click.echo(made["name"])


@datasets.command("list")
@limit_option
@json_option
@guarded
def list_datasets(limit: int, as_json: bool) -> None:
    """List test sets, newest first."""
    with Tunedeck() as tunedeck:
        found = tunedeck.datasets(limit=limit)
    if as_json:
        return print_json(found)
    return print_table(
        ("NAME", "ROWS", "SIZE", "CREATED"),
        ([each["name"], each["rows"], size(each["size"]), each["created_at"]] for each in found),
    )


@datasets.command("delete")
@click.argument("name")
@json_option
@guarded
def delete_dataset(name: str, as_json: bool) -> None:
    """Delete a test set."""
    with Tunedeck() as tunedeck:
        message = tunedeck.delete_dataset(name)
    if as_json:
        return print_json({"message": message})
    return click.echo(message)
