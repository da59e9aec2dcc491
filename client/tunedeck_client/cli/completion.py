"""`tunedeck completion`: what a shell reads to complete the commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def print_completion(context: click.Context, shell: str) -> None:
    """Print what completes the commands in a shell: eval "$(tunedeck completion bash)"."""
    completes = get_completion_class(shell)
    if completes is not None:
        click.echo(completes(context.find_root().command, {}, "tunedeck", "_TUNEDECK_COMPLETE").source())
