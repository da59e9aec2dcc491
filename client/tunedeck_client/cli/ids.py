"""IDs as arguments and options: integers that the service may have given."""

from __future__ import annotations

from typing import Any, Callable

import click

ID = click.IntRange(1, 2**63 - 1)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

job = click.argument("job", type=ID)
model = click.argument("model", type=ID)


def option(name: str, help: str) -> Decorator:
    """Declare a command's option that is an ID."""
    return click.option(name, type=ID, metavar="ID", help=help)
