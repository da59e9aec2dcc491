"""`tunedeck jobs`."""

from __future__ import annotations

import json
from typing import Any

import typer

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.guard import guarded
from tunedeck_client.cli.output import AsJSON, Limit, print_json, print_record, print_table

app = typer.Typer(help="List, show, create and cancel jobs.", no_args_is_help=True, rich_markup_mode=None)


def list_jobs(
    status: str | None = typer.Option(None, help="pending, running, completed, failed or cancelled."),
    dataset: int | None = ids.option("Those of a dataset."),
    search: str | None = typer.Option(None, help="A part of the name."),
    limit: int = Limit,
    as_json: bool = AsJSON,
) -> None:
    """List jobs, newest first."""
    with Tunedeck() as tunedeck:
        found = tunedeck.jobs(limit=limit, status=status, dataset_id=dataset, q=search)
    if as_json:
        return print_json(found)
    return print_table(
        ("ID", "STATUS", "NAME", "DATASET", "PROGRESS", "KERNEL", "CREATED"),
        ([*_row(job), job["kernel"], job["created_at"]] for job in found),
    )


def _row(job: dict[str, Any]) -> list[object]:
    progress = None if job["progress"] is None else f"{job['progress']:.0%}"
    return [job["ID"], job["status"], job["name"], job["dataset_id"], progress]


def show_job(job: int = ids.Job, as_json: bool = AsJSON) -> None:
    """Show a job."""
    with Tunedeck() as tunedeck:
        found = tunedeck.job(job)
    (print_json if as_json else print_record)(found)


def create_job(
    dataset: int | None = ids.option("The dataset; a kernel that has it takes the job."),
    name: str | None = typer.Option(None, help="A name to find it by."),
    settings: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="A field of its configuration, JSON or text; repeat for more."
    ),
    as_json: bool = AsJSON,
) -> None:
    """Create a job and print its ID."""
    with Tunedeck() as tunedeck:
        made = tunedeck.create_job(dataset_id=dataset, name=name, configuration=_configuration(settings))
    if as_json:
        return print_json(made)
    return typer.echo(made["ID"])


def _configuration(settings: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def cancel_job(job: int = ids.Job, as_json: bool = AsJSON) -> None:
    """Cancel a job."""
    with Tunedeck() as tunedeck:
        found = tunedeck.cancel_job(job)
    if as_json:
        return print_json(found)
    return typer.echo(f"job {job} is {found['status']}")


app.command("list")(guarded(list_jobs))
app.command("show")(guarded(show_job))
app.command("create")(guarded(create_job))
app.command("cancel")(guarded(cancel_job))
