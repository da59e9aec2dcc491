"""`tunedeck logs`: a job's log, or its live stream."""

from __future__ import annotations

import sys
from typing import Any

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.commands import guarded
from tunedeck_client.cli.exit_codes import ENDED_BADLY
from tunedeck_client.cli.output import has_colours, print_json, printable, tell

_COLOURS = {"debug": "\x1b[2m", "warn": "\x1b[33m", "error": "\x1b[31m"}


@click.command("logs")
@ids.job
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option("--tail", "-n", type=click.IntRange(0), help="Begin with the last so many lines.")
@click.option("--level", help="debug, info, warn or error: that one and above.")
@click.option("--source", help="Lines of one source.")
@click.option("--search", help="Lines that hold this text, in any case.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each line.")
@guarded
def show_log(
    job: int,
    follow: bool,
    tail: int | None,
    level: str | None,
    source: str | None,
    search: str | None,
    as_json: bool,
) -> None:
    """Print a job's log. With -f the exit code is 1 where the job failed or was cancelled."""
    with Tunedeck() as tunedeck:
        colours = has_colours()
        lines = tunedeck.logs(job, follow=follow, tail=tail, level=level, source=source, search=search)
        for line in lines:
            if as_json:
                print_json(line)
            else:
                sys.stdout.write(_text(line, colours=colours))
            if follow:
                sys.stdout.flush()
        if follow:
            _tell_end(tunedeck.job(job))


def _text(line: dict[str, Any], *, colours: bool) -> str:
    message = printable(line["message"], colours=colours)
    start = f"{line['timestamp'][11:19]} {line['level'].upper():<5}"
    colour = _COLOURS.get(line["level"], "") if colours else ""
    return f"{colour}{start} {message}\x1b[0m\n" if colour else f"{start} {message}\n"


def _tell_end(job: dict[str, Any]) -> None:
    why = f": {job['error']}" if job["error"] else ""
    tell(f"job {job['ID']} is {job['status']}{why}")
    if job["status"] in ("failed", "cancelled"):
        raise click.exceptions.Exit(ENDED_BADLY)
