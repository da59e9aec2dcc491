"""compose.yaml, read by Debian's docker-compose."""

import subprocess
from pathlib import Path


def test_docker_compose_takes_it():
    root = Path(__file__).parents[2]

    done = subprocess.run(
        ["docker-compose", "-f", "compose.yaml", "config", "-q"], cwd=root, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
