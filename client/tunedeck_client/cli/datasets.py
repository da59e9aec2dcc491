"""`tunedeck datasets`: test sets."""

from __future__ import annotations

import typer

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli.guard import guarded
from tunedeck_client.cli.output import AsJSON, Limit, print_json, print_table, size, tell

app = typer.Typer(help="Upload, list and delete test sets.", no_args_is_help=True, rich_markup_mode=None)


def push_dataset(
    file: str,
    name: str | None = typer.Option(None, help="Its name there; else the file's."),
    as_json: bool = AsJSON,
) -> None:
    """Upload a test set, JSON or JSON Lines of {"input", "expected"}, and print its name."""
    with Tunedeck() as tunedeck:
        made = tunedeck.push_dataset(file, name)
    if as_json:
        return print_json(made)
    tell(f"{made['rows']} row{'' if made['rows'] == 1 else 's'}, {size(made['size'])}")
    return typer.echo(made["name"])


def list_datasets(limit: int = Limit, as_json: bool = AsJSON) -> None:
    """List test sets, newest first."""
    with Tunedeck() as tunedeck:
        found = tunedeck.datasets(limit=limit)
    if as_json:
        return print_json(found)
    return print_table(
        ("NAME", "ROWS", "SIZE", "CREATED"),
        ([each["name"], each["rows"], size(each["size"]), each["created_at"]] for each in found),
    )


def delete_dataset(name: str, as_json: bool = AsJSON) -> None:
    """Delete a test set."""
    with Tunedeck() as tunedeck:
        message = tunedeck.delete_dataset(name)
    if as_json:
        return print_json({"message": message})
    return typer.echo(message)


app.command("push")(guarded(push_dataset))
app.command("list")(guarded(list_datasets))
app.command("delete")(guarded(delete_dataset))
