"""`tunedeck evaluate`: a model against its base, and a gate for CI."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Any

import typer

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli import ids
from tunedeck_client.cli.exit_codes import ENDED_BADLY, NOT_REACHED
from tunedeck_client.cli.output import AsJSON, fail, print_json, print_table, printable, tell
from tunedeck_client.cli.progress import EvaluationProgress

_METRICS = ("accuracy", "f1_score", "precision", "recall", "avg_response_time_ms")


class Requirement(str, Enum):
    """What the verdict must be."""

    better = "better"
    not_worse = "not-worse"

    def is_met_by(self, verdict: str | None) -> bool:
        if self is Requirement.better:
            return verdict == "better"
        return verdict in ("better", "not_distinguishable")


def evaluate(
    model: int = ids.Model,
    test_set: str = typer.Option(
        ..., help="A file, which is uploaded if need be, or the name of a test set."
    ),
    base: str | None = typer.Option(
        None, help="The base's name at the inference server; else the model's base."
    ),
    no_base: bool = typer.Option(False, "--no-base", help="The model alone: its figures, and no comparison."),
    served_name: str | None = typer.Option(None, help="The model's name there; else its served name."),
    scoring: str | None = typer.Option(None, help="The rule of grading: labels, text, exact, contains …"),
    allow_same_model: bool = typer.Option(
        False, "--allow-same-model", help="Also where both names are answered by one model."
    ),
    wait: bool = typer.Option(False, "--wait", help="Wait for the results and print them."),
    require: Requirement | None = typer.Option(
        None, help="With the results: exit code 4 unless the model is better, or not worse."
    ),
    as_json: bool = AsJSON,
) -> None:
    """Judge a model against its base on a test set; prints the evaluation's ID, with --wait its results."""
    options = {"fine_tuned_served_name": served_name, "scoring": scoring}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if allow_same_model:
        given["allow_same_model"] = True
    if no_base:
        if base is not None or require is not None:
            raise typer.BadParameter("goes with neither --base nor --require", param_hint="--no-base")
        given["alone"] = True
    with Tunedeck() as tunedeck:
        found = tunedeck.evaluate(model, test_set, base=base, **given)
        if not wait and require is None:
            return print_json(found) if as_json else typer.echo(found["id"])
        tell(f"evaluation {found['id']} of model {model}")
        with EvaluationProgress() as progress:
            found = tunedeck.wait(found["id"], on_progress=progress)
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


def _require(evaluation: dict[str, Any], require: Requirement | None) -> None:
    verdict = (evaluation["results"].get("significance") or {}).get("verdict")
    if require is not None and not require.is_met_by(verdict):
        fail(f"required {require.value}, the verdict is {verdict or 'unknown'}", NOT_REACHED)
