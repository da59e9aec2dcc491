"""`make run` leaves nothing of ours in the temporary folder, neither stopped nor killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import descendants
from tests.support.system import System, start_system
from tests.support.waiting import wait_until


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def sockets(system: System) -> list[Path]:
    """Return the sockets of the system's SeaweedFS, which lie in /tmp whatever it is told."""
    ports = system.addresses["ports"]
    assert isinstance(ports, dict)
    names = [f"-grpc-{number}.sock" for name, number in ports.items() if name.endswith("grpc")]
    return [path for path in Path("/tmp").glob("seaweedfs-*") if path.name.endswith(tuple(names))]


@pytest.mark.soak
def test_neither_a_kill_nor_a_stop_leaves_anything(tmp_path: Path, temporary: Path) -> None:
    environ = {"TMPDIR": str(temporary), "EXAMPLE_KERNEL": "0", "EVALUATION_WORKER": "0"}
    killed = start_system(tmp_path / "data", **environ)
    killed.wait_until_ready()
    parts = descendants(killed.process.pid)
    assert sockets(killed) != []

    killed.process.kill()
    killed.process.wait()

    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in parts))
    assert list(temporary.iterdir()) == []

    # SeaweedFS leaves some of its sockets when it is ended in order, too: those go with the next run.
    stopped = start_system(tmp_path / "data", **environ)
    stopped.wait_until_ready()
    assert stopped.stop() == 0
    assert list(temporary.iterdir()) == []
    assert sockets(killed) == sockets(stopped) == []
