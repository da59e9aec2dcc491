"""What the commands have in common: how one asks and prints, and how it ends where something goes wrong."""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable

import click

from tunedeck_client.api import Tunedeck
from tunedeck_client.cli.exit_codes import BROKEN_PIPE, ERROR, INTERRUPTED
from tunedeck_client.cli.output import fail, json_option, print_json
from tunedeck_client.errors import TunedeckError, Unauthorized

Command = Callable[..., None]


def guarded(command: Command) -> Command:
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


def shown_by(show: Callable[[Any], object]) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of what asks a Tunedeck: `show` prints what that returns, or it is JSON (--json)."""

    def decorate(ask: Callable[..., Any]) -> Command:
        @json_option
        @guarded
        @functools.wraps(ask)
        def run(as_json: bool, **options: Any) -> None:
            with Tunedeck() as tunedeck:
                found = ask(tunedeck, **options)
            (print_json if as_json else show)(found)

        return run

    return decorate


def show_message(found: dict[str, str]) -> None:
    """Print what the service says of something that is deleted."""
    click.echo(found["message"])
