"""Turns what goes wrong in a command into one line on stderr and an exit code."""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable

import click

from tunedeck_client.cli.exit_codes import BROKEN_PIPE, ERROR, INTERRUPTED
from tunedeck_client.cli.output import fail
from tunedeck_client.errors import TunedeckError, Unauthorized


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command: what can go wrong has an exit code of exit_codes, and shows no traceback."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        except Unauthorized as error:
            fail(f"{error}; `tunedeck login` or TUNEDECK_TOKEN says who you are", ERROR)
        except (TunedeckError, ValueError) as error:
            fail(str(error), ERROR)

    return run
