"""The types that the console's comments give, checked by TypeScript."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPILER = ROOT / "node_modules" / ".bin" / "tsc"


def check(project):
    return subprocess.run([COMPILER, "-p", project], capture_output=True, text=True, timeout=120, check=False)


def test_it_works():
    checked = check(ROOT / "tests" / "foreign" / "console.tsconfig.json")

    assert checked.returncode == 0, checked.stdout


def test_it_finds_what_is_wrong(tmp_path):
    (tmp_path / "wrong.js").write_text("/** @type {number} */\nexport const one = 'two';\n")
    project = (ROOT / "tests" / "foreign" / "console.tsconfig.json").read_text()
    (tmp_path / "tsconfig.json").write_text(project.replace("../../gateway/console/**/*.js", "*.js"))

    assert "TS2322" in check(tmp_path / "tsconfig.json").stdout
