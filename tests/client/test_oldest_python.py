"""The client must import where a kernel's Python is old: 3.8 is the oldest that it promises."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client"


@pytest.mark.parametrize("module", sorted((CLIENT / "tunedeck_client").rglob("*.py")), ids=lambda path: path.stem)
def test_its_grammar_is_that_of_python_3_8(module):
    ast.parse(module.read_text(), feature_version=(3, 8))


def test_its_idioms_are_those_of_python_3_8():
    """Ruff knows the version by client/pyproject.toml."""
    ruff = [sys.executable, "-m", "ruff", "check", "--target-version", "py38", "--select", "F,UP", str(CLIENT)]

    done = subprocess.run(ruff, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 0, done.stdout
