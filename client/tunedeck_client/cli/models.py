"""`tunedeck push`, `tunedeck pull` and `tunedeck models`."""

from __future__ import annotations

from typing import Any

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.commands import show_message, shown_by
from tunedeck_client.cli.output import limit_option, print_record, print_table, size, tell
from tunedeck_client.cli.progress import transfer_progress
from tunedeck_client.transport.pages import Record


def _show_pushed(made: Record) -> None:
    tell(f"model {made['ID']} {made['name']!r} is ready, {size(made['total_size'])}")
    click.echo(made["ID"])


@click.command()
@click.argument("folder")
@click.option("--base-model", metavar="NAME", help="The base; else adapter_config.json says it.")
@click.option("--name", help="The model's name; else the folder's.")
@ids.option("--job", "The job that made it.")
@click.option(
    "--include-state",
    is_flag=True,
    help="Also optimizer.pt, scheduler.pt, rng_state*, runs and checkpoint-*.",
)
@shown_by(_show_pushed)
def push(
    tunedeck: Tunedeck,
    folder: str,
    base_model: str | None,
    name: str | None,
    job: int | None,
    include_state: bool,
) -> Record:
    """Upload a folder as a model, make it ready and print its ID. Repeat after a break: it goes on."""
    with transfer_progress() as progress:
        return tunedeck.push(
            folder,
            base_model=base_model,
            name=name,
            job_id=job,
            include_state=include_state,
            on_progress=progress,
        )


@click.command()
@ids.model
@click.argument("folder", required=False)
@click.option("--zip", "as_zip", is_flag=True, help="The whole as one ZIP.")
@click.option("--force", is_flag=True, help="Replace files here that differ from the model's.")
@shown_by(lambda paths: click.echo("\n".join(paths)))
def pull(tunedeck: Tunedeck, model: int, folder: str | None, as_zip: bool, force: bool) -> list[str]:
    """Download a model's files, each verified, and print their paths. Repeat after a break: it goes on.

    They come into FOLDER, else into model-<ID>; a ZIP comes into FOLDER, else here.
    """
    present: list[str] = []
    with transfer_progress() as progress:
        options: Any = {"overwrite": force, "on_progress": progress, "on_present": present.append}
        if as_zip:
            paths = [tunedeck.pull_archive(model, folder or ".", **options)]
        else:
            paths = tunedeck.pull(model, folder, **options)
    if present:
        what = present[0] if len(paths) == 1 else f"{len(present)} of {len(paths)} files"
        tell(f"already here, and verified: {what}")
    return paths


@click.group()
def models() -> None:
    """List, show and delete models."""


def _show_models(found: list[Record]) -> None:
    print_table(
        ("ID", "STATUS", "NAME", "BASE", "JOB", "SIZE", "CREATED"),
        (
            [model["ID"], model["status"], model["name"], model["base_model"], model["job_id"]]
            + [size(model["total_size"]), model["created_at"]]
            for model in found
        ),
    )


@models.command("list")
@click.option("--status", help="uploading, ready or error.")
@click.option("--base-model", metavar="NAME", help="Those of a base.")
@ids.option("--job", "Those of a job.")
@limit_option
@shown_by(_show_models)
def list_models(
    tunedeck: Tunedeck, status: str | None, base_model: str | None, job: int | None, limit: int
) -> list[Record]:
    """List models, newest first."""
    return tunedeck.models(limit=limit, status=status, base_model=base_model, job_id=job)


def _show_model(found: Record) -> None:
    model = found["model"]
    print_record({name: model[name] for name in model if name not in ("files", "file_list", "job")})
    click.echo("")
    print_table(
        ("FILE", "SIZE", "SHA-256"),
        ([file["path"], size(file["size"]), file["sha256"]] for file in model["file_list"]),
    )


@models.command("show")
@ids.model
@shown_by(_show_model)
def show_model(tunedeck: Tunedeck, model: int) -> Record:
    """Show a model and its files."""
    return tunedeck.model(model)


@models.command("delete")
@ids.model
@click.option("--purge", is_flag=True, help="Its files as well, where no other model has them.")
@shown_by(show_message)
def delete_model(tunedeck: Tunedeck, model: int, purge: bool) -> dict[str, str]:
    """Delete a model."""
    return {"message": tunedeck.delete_model(model, purge=purge)}
