"""`tunedeck metrics`: a job's curves as a table, or one drawn in the terminal."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.commands import guarded
from tunedeck_client.cli.curve import draw, number
from tunedeck_client.cli.output import json_option, print_json, print_table, printable, tell

_HEIGHT = 12
_MAX_WIDTH = 120


@click.command("metrics")
@ids.job
@click.option("--name", multiple=True, help="Draw this metric; repeat for more.")
@click.option("--log", is_flag=True, help="Logarithmic values.")
@click.option(
    "--max-points",
    type=click.IntRange(2, 10_000),
    default=1000,
    show_default=True,
    help="At most so many points of each.",
)
@json_option
@guarded
def show_metrics(job: int, name: tuple[str, ...], log: bool, max_points: int, as_json: bool) -> None:
    """Show what a job's metrics are, or with --name draw them."""
    with Tunedeck() as tunedeck:
        found = tunedeck.metrics(job, name, max_points=max_points if name or as_json else 2)
        if as_json:
            return print_json(found)
        known = found if found["series"] or not name else tunedeck.metrics(job, max_points=2)
    if not found["series"]:
        has = ", ".join(curve["name"] for curve in known["series"])
        return tell(f"job {job} has no metrics" if not has else f"job {job} has no such metric; it has {has}")
    if name:
        return _draw(found["series"], is_log=log)
    return print_table(
        ("NAME", "POINTS", "STEPS", "MIN", "MAX", "LAST"),
        (
            [
                curve["name"],
                curve["count"],
                f"{curve['first_step']}-{curve['last_step']}",
                *(_shown(curve[figure]) for figure in ("min", "max", "last")),
            ]
            for curve in found["series"]
        ),
    )


def _draw(series: list[dict[str, Any]], *, is_log: bool) -> None:
    width = min(shutil.get_terminal_size().columns, _MAX_WIDTH)
    for curve in series:
        points = [(float(step), float(value)) for step, value, *_ in curve["points"]]
        low, high, last = (_shown(curve[figure]) for figure in ("min", "max", "last"))
        sys.stdout.write(f"{printable(curve['name'])}: last {last}, min {low}, max {high}\n")
        for row in draw(points, width=width, height=_HEIGHT, is_log=is_log):
            sys.stdout.write(f"{row}\n")


def _shown(value: float | str | None) -> str:
    return "-" if value is None else number(float(value))
