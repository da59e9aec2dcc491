"""`tunedeck push`, `tunedeck pull` and `tunedeck models`."""

from __future__ import annotations

from typing import Any

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.guard import guarded
from tunedeck_client.cli.output import (
    json_option,
    limit_option,
    print_json,
    print_record,
    print_table,
    size,
    tell,
)
from tunedeck_client.cli.progress import transfer_progress


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
@json_option
@guarded
def push(
    folder: str, base_model: str | None, name: str | None, job: int | None, include_state: bool, as_json: bool
) -> None:
    """Upload a folder as a model, make it ready and print its ID. Repeat after a break: it goes on."""
    with Tunedeck() as tunedeck, transfer_progress() as progress:
        made = tunedeck.push(
            folder,
            base_model=base_model,
            name=name,
            job_id=job,
            include_state=include_state,
            on_progress=progress,
        )
    if as_json:
        return print_json(made)
    tell(f"model {made['ID']} {made['name']!r} is ready, {size(made['total_size'])}")
    return click.echo(made["ID"])


@click.command()
@ids.model
@click.argument("folder", required=False)
@click.option("--zip", "as_zip", is_flag=True, help="The whole as one ZIP.")
@click.option("--force", is_flag=True, help="Replace files here that differ from the model's.")
@json_option
@guarded
def pull(model: int, folder: str | None, as_zip: bool, force: bool, as_json: bool) -> None:
    """Download a model's files, each verified, and print their paths. Repeat after a break: it goes on.

    They come into FOLDER, else into model-<ID>; a ZIP comes into FOLDER, else here.
    """
    present: list[str] = []
    with Tunedeck() as tunedeck, transfer_progress() as progress:
        options: Any = {"overwrite": force, "on_progress": progress, "on_present": present.append}
        if as_zip:
            paths = [tunedeck.pull_archive(model, folder or ".", **options)]
        else:
            paths = tunedeck.pull(model, folder, **options)
    if present:
        what = present[0] if len(paths) == 1 else f"{len(present)} of {len(paths)} files"
        tell(f"already here, and verified: {what}")
    if as_json:
        return print_json(paths)
    return click.echo("\n".join(paths))


@click.group()
def models() -> None:
    """List, show and delete models."""


@models.command("list")
@click.option("--status", help="uploading, ready or error.")
@click.option("--base-model", metavar="NAME", help="Those of a base.")
@ids.option("--job", "Those of a job.")
@limit_option
@json_option
@guarded
def list_models(
    status: str | None, base_model: str | None, job: int | None, limit: int, as_json: bool
) -> None:
    """List models, newest first."""
    with Tunedeck() as tunedeck:
        found = tunedeck.models(limit=limit, status=status, base_model=base_model, job_id=job)
    if as_json:
        return print_json(found)
    return print_table(
        ("ID", "STATUS", "NAME", "BASE", "JOB", "SIZE", "CREATED"),
        (
            [model["ID"], model["status"], model["name"], model["base_model"], model["job_id"]]
            + [size(model["total_size"]), model["created_at"]]
            for model in found
        ),
    )


@models.command("show")
@ids.model
@json_option
@guarded
def show_model(model: int, as_json: bool) -> None:
    """Show a model and its files."""
    with Tunedeck() as tunedeck:
        found = tunedeck.model(model)
    if as_json:
        return print_json(found)
    record = {
        name: value for name, value in found["model"].items() if name not in ("files", "file_list", "job")
    }
    print_record(record)
    click.echo("")
    return print_table(
        ("FILE", "SIZE", "SHA-256"),
        ([file["path"], size(file["size"]), file["sha256"]] for file in found["model"]["file_list"]),
    )


@models.command("delete")
@ids.model
@click.option("--purge", is_flag=True, help="Its files as well, where no other model has them.")
@json_option
@guarded
def delete_model(model: int, purge: bool, as_json: bool) -> None:
    """Delete a model."""
    with Tunedeck() as tunedeck:
        message = tunedeck.delete_model(model, purge=purge)
    if as_json:
        return print_json({"message": message})
    return click.echo(message)
