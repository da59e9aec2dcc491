"""`tunedeck`: the commands together."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Sequence

import click

from tunedeck_client.cli.completion import print_completion
from tunedeck_client.cli.datasets import datasets
from tunedeck_client.cli.evaluations import evaluate
from tunedeck_client.cli.exit_codes import BROKEN_PIPE, INTERRUPTED
from tunedeck_client.cli.jobs import jobs
from tunedeck_client.cli.login import log_in
from tunedeck_client.cli.logs import show_log
from tunedeck_client.cli.metrics import show_metrics
from tunedeck_client.cli.models import models, pull, push
from tunedeck_client.cli.pages import open_page
from tunedeck_client.run.options import declared_options
from tunedeck_client.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="tunedeck %(version)s")
def app() -> None:
    """Jobs, logs, curves, models and evaluations, at TUNEDECK_URL or where `tunedeck login` says."""


for command in (jobs, show_log, show_metrics, push, pull, models, datasets, evaluate, open_page, log_in):
    app.add_command(command)
app.add_command(print_completion)
# The console script runs it; here is what a shell has to know of it to complete it.
app.add_command(
    click.Command(
        "run",
        params=[
            click.Option(list(each.option_strings), is_flag=each.nargs == 0, help=each.help)
            for each in declared_options()
        ],
        help="Run a training as a job: `tunedeck run --help`.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
)


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
