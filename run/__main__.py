"""`python -m run`: runs the whole system on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import resource
from pathlib import Path

from run import plan
from run.settings import Ports, Settings, gateway_hosts, is_free
from run.supervisor import PartFailed, Supervisor
from shared.settings import SettingsError, exit_on, load


def main() -> None:
    with exit_on(PartFailed):
        settings = load(Settings)
        data_dir = Path(settings.data_dir).absolute()
        (data_dir / "logs").mkdir(parents=True, exist_ok=True)
        with (data_dir / "run.lock").open("w") as lock:
            _lock(lock.fileno(), data_dir)
            _raise_file_limit()
            _check_ports(settings)
            state = data_dir / "run.json"
            ports = Ports(state, os.environ)
            parts, addresses = plan.make(settings, data_dir, ports)
            state.write_text(json.dumps({**addresses, "ports": ports.given}, indent=2) + "\n")
            asyncio.run(Supervisor(parts, data_dir / "logs").run(f"ready: {addresses['gateway']}"))


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsError(f"another `make run` uses DATA_DIR={data_dir}") from None


def _raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one: it is 1,024 mostly, and each stream takes a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _check_ports(settings: Settings) -> None:
    wanted = [("PORT", host, settings.port) for host in gateway_hosts(settings.host)]
    for variable, host, port in [*wanted, ("LOGS_PORT", "127.0.0.1", settings.logs_port)]:
        if not is_free(host, port):
            raise SettingsError(f"{variable}={port} is taken on {host} by another program")


if __name__ == "__main__":
    main()
