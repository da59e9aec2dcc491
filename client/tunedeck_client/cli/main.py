"""`tunedeck`: the commands together."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from typing import Any, Optional, Sequence

import typer

from tunedeck_client.cli import datasets, evaluations, jobs, login, logs, metrics, models, pages
from tunedeck_client.cli.exit_codes import BROKEN_PIPE, INTERRUPTED
from tunedeck_client.cli.guard import guarded
from tunedeck_client.run.options import declared_options
from tunedeck_client.version import __version__

app = typer.Typer(
    name="tunedeck",
    help="Jobs, logs, curves, models and evaluations, at TUNEDECK_URL or where `tunedeck login` says.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(jobs.app, name="jobs")
app.command("logs")(guarded(logs.show_log))
app.command("metrics")(guarded(metrics.show_metrics))
app.command("push")(guarded(models.push))
app.command("pull")(guarded(models.pull))
app.add_typer(models.app, name="models")
app.add_typer(datasets.app, name="datasets")
app.command("evaluate")(guarded(evaluations.evaluate))
app.command("open")(guarded(pages.open_page))
app.command("login")(guarded(login.log_in))


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"tunedeck {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_show_version, help="Print the version."
    ),
) -> None:
    pass


def _run(context: typer.Context, **options: Any) -> None:
    """Run a training as a job: `tunedeck run --help`."""
    raise typer.Exit(2)  # the console script has taken it before


def _signature_of_run() -> inspect.Signature:
    """Return what a shell has to know of `tunedeck run` to complete it."""
    kind = inspect.Parameter.KEYWORD_ONLY
    found = [inspect.Parameter("context", kind, annotation=typer.Context)]
    for each in declared_options():
        annotation, default = (bool, False) if each.nargs == 0 else (Optional[str], None)
        option = typer.Option(default, *each.option_strings, help=each.help)
        found.append(inspect.Parameter(each.dest, kind, annotation=annotation, default=option))
    return inspect.Signature(found)


_run.__signature__ = _signature_of_run()  # type: ignore[attr-defined]
app.command("run", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(_run)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    code = 0
    try:
        app(list(arguments) if arguments is not None else None, prog_name="tunedeck")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE
    if code == BROKEN_PIPE:
        # Nobody reads any more, `| head` say; at its end Python would flush once more, and complain.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if code == INTERRUPTED:
        os._exit(code)  # a transfer's threads may hang in the system, and must not see the interpreter end
    return code
