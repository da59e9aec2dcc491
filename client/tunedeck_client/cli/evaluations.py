"""`tunedeck evaluate`: a model against its base, and a gate for CI."""

from __future__ import annotations

import sys
from typing import Any

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.commands import guarded
from tunedeck_client.cli.exit_codes import ENDED_BADLY, NOT_REACHED
from tunedeck_client.cli.output import fail, json_option, print_json, print_table, printable, tell
from tunedeck_client.cli.pages import page_of
from tunedeck_client.cli.progress import evaluation_progress

_METRICS = ("accuracy", "f1_score", "precision", "recall", "avg_response_time_ms")


_MET_BY = {"better": ("better",), "not-worse": ("better", "not_distinguishable")}
"""By what is required of a verdict, those that meet it."""


@click.command()
@ids.model
@click.option(
    "--test-set",
    required=True,
    metavar="FILE-or-NAME",
    help="A file, which is uploaded if need be, or the name of a test set.",
)
@click.option(
    "--base", metavar="NAME", help="The base's name at the inference server; else the model's base."
)
@click.option("--no-base", is_flag=True, help="The model alone: its figures, and no comparison.")
@click.option("--served-name", metavar="NAME", help="The model's name there; else its served name.")
@click.option("--scoring", help="The rule of grading: labels, text, exact, contains …")
@click.option("--allow-same-model", is_flag=True, help="Also where both names are answered by one model.")
@click.option("--wait", is_flag=True, help="Wait for the results and print them.")
@click.option(
    "--require",
    type=click.Choice(list(_MET_BY)),
    help="With the results: exit code 4 unless the model is better, or not worse.",
)
@json_option
@guarded
def evaluate(
    model: int,
    test_set: str,
    base: str | None,
    no_base: bool,
    served_name: str | None,
    scoring: str | None,
    allow_same_model: bool,
    wait: bool,
    require: str | None,
    as_json: bool,
) -> None:
    """Judge a model against its base on a test set; prints the evaluation's ID, with --wait its results."""
    options = {"fine_tuned_served_name": served_name, "scoring": scoring}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if allow_same_model:
        given["allow_same_model"] = True
    if no_base:
        if base is not None or require is not None:
            raise click.BadParameter("goes with neither --base nor --require", param_hint="--no-base")
        given["alone"] = True
    with Tunedeck() as tunedeck:
        found = tunedeck.evaluate(model, test_set, base=base, **given)
        if not wait and require is None:
            return print_json(found) if as_json else click.echo(found["id"])
        try:
            tell(f"evaluation {found['id']} of model {model}")
            with evaluation_progress() as progress:
                found = tunedeck.wait(found["id"], on_progress=progress)
        except KeyboardInterrupt:
            tell(f"evaluation {found['id']} goes on: {page_of('evaluations', found['id'])}")
            raise
    if as_json:
        print_json(found)
    if found["status"] == "failed":
        fail(f"evaluation {found['id']} failed: {found['error']}", ENDED_BADLY)
    if not as_json:
        _print_results(found)
    return _require(found, require)


def _print_results(evaluation: dict[str, Any]) -> None:
    results = evaluation["results"]
    base, tuned = results["base_model"] or {}, results["fine_tuned"]
    improvement = results.get("improvement") or {}
    print_table(
        ("", evaluation["base_model_name"] or "(no base)", evaluation["fine_tuned_name"], "CHANGE"),
        (
            [name, base.get(name), tuned.get(name), improvement.get(f"{name}_delta")]
            for name in _METRICS
            if base.get(name) is not None or tuned.get(name) is not None
        ),
    )
    summary = results.get("summary") or (results.get("significance") or {}).get("summary")
    if summary:
        sys.stdout.write(f"{printable(summary)}\n")


def _require(evaluation: dict[str, Any], require: str | None) -> None:
    verdict = (evaluation["results"].get("significance") or {}).get("verdict")
    if require is not None and verdict not in _MET_BY[require]:
        fail(f"required {require}, the verdict is {verdict or 'unknown'}", NOT_REACHED)
