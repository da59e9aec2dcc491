"""`tunedeck jobs`."""

from __future__ import annotations

import json
from typing import Any

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.guard import guarded
from tunedeck_client.cli.output import json_option, limit_option, print_json, print_record, print_table


@click.group()
def jobs() -> None:
    """List, show, create and cancel jobs."""


@jobs.command("list")
@click.option("--status", help="pending, running, completed, failed or cancelled.")
@ids.option("--dataset", "Those of a dataset.")
@click.option("--search", help="A part of the name.")
@limit_option
@json_option
@guarded
def list_jobs(status: str | None, dataset: int | None, search: str | None, limit: int, as_json: bool) -> None:
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


@jobs.command("show")
@ids.job
@json_option
@guarded
def show_job(job: int, as_json: bool) -> None:
    """Show a job."""
    with Tunedeck() as tunedeck:
        found = tunedeck.job(job)
    (print_json if as_json else print_record)(found)


@jobs.command("create")
@ids.option("--dataset", "The dataset; a kernel that has it takes the job.")
@click.option("--name", help="A name to find it by.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A field of its configuration, JSON or text; repeat for more.",
)
@json_option
@guarded
def create_job(dataset: int | None, name: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Create a job and print its ID."""
    with Tunedeck() as tunedeck:
        made = tunedeck.create_job(dataset_id=dataset, name=name, configuration=_configuration(settings))
    if as_json:
        return print_json(made)
    return click.echo(made["ID"])


def _configuration(settings: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


@jobs.command("cancel")
@ids.job
@json_option
@guarded
def cancel_job(job: int, as_json: bool) -> None:
    """Cancel a job."""
    with Tunedeck() as tunedeck:
        found = tunedeck.cancel_job(job)
    if as_json:
        return print_json(found)
    return click.echo(f"job {job} is {found['status']}")
