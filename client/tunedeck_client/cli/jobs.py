"""`tunedeck jobs`."""

from __future__ import annotations

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.commands import shown_by
from tunedeck_client.cli.output import limit_option, print_record, print_table
from tunedeck_client.run.options import configuration_of
from tunedeck_client.transport.pages import Record


@click.group()
def jobs() -> None:
    """List, show, create and cancel jobs."""


def _show_jobs(found: list[Record]) -> None:
    print_table(
        ("ID", "STATUS", "NAME", "DATASET", "PROGRESS", "KERNEL", "CREATED"),
        (_row(job) for job in found),
    )


def _row(job: Record) -> list[object]:
    progress = None if job["progress"] is None else f"{job['progress']:.0%}"
    known = [job["ID"], job["status"], job["name"], job["dataset_id"], progress]
    return [*known, job["kernel"], job["created_at"]]


@jobs.command("list")
@click.option("--status", help="pending, running, completed, failed or cancelled.")
@ids.option("--dataset", "Those of a dataset.")
@click.option("--search", help="A part of the name.")
@limit_option
@shown_by(_show_jobs)
def list_jobs(
    tunedeck: Tunedeck, status: str | None, dataset: int | None, search: str | None, limit: int
) -> list[Record]:
    """List jobs, newest first."""
    return tunedeck.jobs(limit=limit, status=status, dataset_id=dataset, q=search)


@jobs.command("show")
@ids.job
@shown_by(print_record)
def show_job(tunedeck: Tunedeck, job: int) -> Record:
    """Show a job."""
    return tunedeck.job(job)


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
@shown_by(lambda made: click.echo(made["ID"]))
def create_job(
    tunedeck: Tunedeck, dataset: int | None, name: str | None, settings: tuple[str, ...]
) -> Record:
    """Create a job and print its ID."""
    try:
        configuration = configuration_of(settings)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return tunedeck.create_job(dataset_id=dataset, name=name, configuration=configuration)


@jobs.command("cancel")
@ids.job
@shown_by(lambda job: click.echo(f"job {job['ID']} is {job['status']}"))
def cancel_job(tunedeck: Tunedeck, job: int) -> Record:
    """Cancel a job."""
    return tunedeck.cancel_job(job)
