"""The console's pure modules, run by QuickJS: no browser, no node."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import quickjs

CONSOLE = Path(__file__).parents[2] / "gateway" / "console"
_IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']+)';$", re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)

Evaluate = Callable[..., Any]


def _as_expression(path: Path) -> str:
    """Return a module as an expression whose value has its exports; what it imports is evaluated within."""
    text = path.read_text()
    text = _IMPORT.sub(
        lambda found: f"const {{{found[1]}}} = {_as_expression((path.parent / found[2]).resolve())};", text
    )
    names = [found[2] for found in _EXPORT.finditer(text)]
    return (
        f"(() => {{ {_EXPORT.sub(lambda found: f'{found[1]} {found[2]}', text)}\nreturn {{ {', '.join(names)} }}; }})()"
    )


@pytest.fixture(scope="module")
def evaluate(request: pytest.FixtureRequest) -> Evaluate:
    """Evaluate an expression over the exports of the module that the test file names as ``MODULE``.

    ``given`` are its variables. NaN and the infinities come as strings, undefined as None.
    """
    context = quickjs.Context()
    context.eval(
        f"globalThis.exports = {_as_expression(CONSOLE / request.module.MODULE)}; Object.assign(globalThis, exports);"
    )
    context.eval(
        "const shown = (key, value) => typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;"
    )

    def evaluate(expression: str, **given: Any) -> Any:
        names, values = ", ".join(given), ", ".join(json.dumps(value) for value in given.values())
        answer = context.eval(f"JSON.stringify((({names}) => ({expression}))({values}), shown)")
        return None if answer is None else json.loads(answer)

    return evaluate
