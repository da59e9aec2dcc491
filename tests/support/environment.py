"""Virtual environments of programs under test, which must not share ours."""

from __future__ import annotations

import hashlib
import subprocess
import venv
from pathlib import Path

from run.parts import ROOT


def installed(requirements: Path) -> Path:
    """Return the Python of a virtual environment below .data/ that has the requirements, made where there is none."""
    pins = b"".join(path.read_bytes() for path in sorted(requirements.parent.glob("*.txt")))
    folder = ROOT / ".data" / f"{requirements.stem}-{hashlib.sha256(pins).hexdigest()[:12]}"
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        options = ["-qq", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *options, "-r", requirements], check=True, timeout=900)
        done.touch()
    return python
