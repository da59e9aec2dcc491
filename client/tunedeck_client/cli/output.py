"""What commands print: JSON or tables to stdout, sentences to stderr, colours on a terminal alone.

rich is imported where it is used: that takes half as long as all of a command that prints JSON.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Iterable, NoReturn, Sequence

import click

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
limit_option = click.option(
    "--limit",
    "-n",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)


def has_colours() -> bool:
    """Whether stdout is a terminal that is to have colours (https://no-color.org, `TERM=dumb`)."""
    if not sys.stdout.isatty():
        return False
    from rich.console import Console

    return Console().color_system is not None and not Console().no_color


def printable(text: object, *, colours: bool = False) -> str:
    """Return text that cannot move the cursor nor turn round; of escape sequences colours may stay."""
    plain = str(text)
    if "\x1b" not in plain:
        return _UNPRINTABLE.sub("\ufffd", plain)
    pieces = _COLOURS.split(plain)
    kept = _COLOURS.findall(plain) if colours else [""] * (len(pieces) - 1)
    cleaned = [_UNPRINTABLE.sub("\ufffd", piece) for piece in pieces]
    whole = cleaned[0] + "".join(colour + piece for colour, piece in zip(kept, cleaned[1:]))
    return f"{whole}\x1b[0m" if any(kept) else whole


def print_json(value: Any) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; into a pipe it is as wide as it has to be, so that nothing is cut off."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=not sys.stdout.isatty() or at == 0)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 4000)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def print_record(record: dict[str, Any]) -> None:
    """Print a record's fields, one a line, those that are not known or empty left out."""
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        if value in (None, ""):
            continue
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else _cell(value)
        sys.stdout.write(f"{name:<{width}}  {printable(shown)}\n")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return printable(value).replace("\n", " ")


def tell(message: str) -> None:
    """Print a sentence to stderr."""
    sys.stderr.write(f"{printable(message)}\n")


def fail(message: str, code: int) -> NoReturn:
    """Print what is wrong to stderr and end with an exit code."""
    tell(f"tunedeck: {message}")
    raise click.exceptions.Exit(code)


def size(count: float) -> str:
    """Return bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
