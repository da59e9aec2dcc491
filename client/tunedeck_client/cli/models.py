"""`tunedeck push`, `tunedeck pull` and `tunedeck models`."""

from __future__ import annotations

from typing import Any

import typer

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.guard import guarded
from tunedeck_client.cli.output import AsJSON, Limit, print_json, print_record, print_table, size, tell
from tunedeck_client.cli.progress import TransferProgress

app = typer.Typer(help="List, show and delete models.", no_args_is_help=True, rich_markup_mode=None)


def push(
    folder: str,
    base_model: str | None = typer.Option(None, help="The base; else adapter_config.json says it."),
    name: str | None = typer.Option(None, help="The model's name; else the folder's."),
    job: int | None = ids.option("The job that made it."),
    include_state: bool = typer.Option(
        False, help="Also optimizer.pt, scheduler.pt, rng_state*, runs and checkpoint-*."
    ),
    as_json: bool = AsJSON,
) -> None:
    """Upload a folder as a model, make it ready and print its ID. Repeat after a break: it goes on."""
    with Tunedeck() as tunedeck, TransferProgress() as progress:
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
    return typer.echo(made["ID"])


def pull(
    model: int = ids.Model,
    folder: str | None = typer.Argument(None, help="Where to; else model-<ID>, and for --zip here."),
    as_zip: bool = typer.Option(False, "--zip", help="The whole as one ZIP."),
    force: bool = typer.Option(False, help="Replace files here that differ from the model's."),
    as_json: bool = AsJSON,
) -> None:
    """Download a model's files, each verified, and print their paths. Repeat after a break: it goes on."""
    present: list[str] = []
    with Tunedeck() as tunedeck, TransferProgress() as progress:
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
    return typer.echo("\n".join(paths))


def list_models(
    status: str | None = typer.Option(None, help="uploading, ready or error."),
    base_model: str | None = typer.Option(None, help="Those of a base."),
    job: int | None = ids.option("Those of a job."),
    limit: int = Limit,
    as_json: bool = AsJSON,
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


def show_model(model: int = ids.Model, as_json: bool = AsJSON) -> None:
    """Show a model and its files."""
    with Tunedeck() as tunedeck:
        found = tunedeck.model(model)
    if as_json:
        return print_json(found)
    record = {
        name: value for name, value in found["model"].items() if name not in ("files", "file_list", "job")
    }
    print_record(record)
    typer.echo("")
    return print_table(
        ("FILE", "SIZE", "SHA-256"),
        ([file["path"], size(file["size"]), file["sha256"]] for file in found["model"]["file_list"]),
    )


def delete_model(
    model: int = ids.Model,
    purge: bool = typer.Option(False, help="Its files as well, where no other model has them."),
    as_json: bool = AsJSON,
) -> None:
    """Delete a model."""
    with Tunedeck() as tunedeck:
        message = tunedeck.delete_model(model, purge=purge)
    if as_json:
        return print_json({"message": message})
    return typer.echo(message)


app.command("list")(guarded(list_models))
app.command("show")(guarded(show_model))
app.command("delete")(guarded(delete_model))
