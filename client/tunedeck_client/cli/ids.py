"""IDs as arguments and options: integers that the service may have given."""

from __future__ import annotations

from typing import Any

import typer

_LARGEST = 2**63 - 1


def argument(metavar: str) -> Any:
    """Declare a command's argument that is an ID."""
    return typer.Argument(..., metavar=metavar, min=1, max=_LARGEST)


def option(help: str) -> Any:
    """Declare a command's option that is an ID."""
    return typer.Option(None, metavar="ID", min=1, max=_LARGEST, help=help)


Job = argument("JOB")
Model = argument("MODEL")
