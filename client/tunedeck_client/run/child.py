"""The command as a child process in a group of its own: started, signalled, and killed where it must be."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from functools import partial
from typing import Mapping, Sequence

from tunedeck_client.run.streams import Streams, take_terminal

GRACE_S = 30.0  # from SIGTERM to SIGKILL
OUT_OF_MEMORY = "killed by SIGKILL, the kernel's out-of-memory killer as a rule"


class CannotStart(Exception):
    """The command cannot be executed; `code` is a shell's exit code for it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """A running command; raises CannotStart. Signals go to its whole group."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        streams: Streams,
        *,
        grace_s: float = GRACE_S,
    ) -> None:
        self._grace_s = grace_s
        self._ending = threading.RLock()  # a signal may come while the one before it is handled
        self._kill_at: float | None = None
        self.was_killed = False
        stdin, stdout, stderr = streams.child_ends
        try:
            self._process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environ,
                start_new_session=True,
                preexec_fn=partial(take_terminal, streams.slave) if streams.slave is not None else None,
            )
        except FileNotFoundError as error:
            raise CannotStart(f"command not found: {command[0]}", 127) from error
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise CannotStart(f"the command cannot be executed: {error}", 126) from error

    @property
    def code(self) -> int | None:
        """Its exit code, -n where signal n ended it, None while it runs."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Send a signal to the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def terminate(self, number: int = signal.SIGTERM) -> None:
        """Send SIGTERM, and SIGKILL to what is left of the group when its grace is over."""
        with self._ending:
            self.send(number)
            if self._kill_at is None:
                self._kill_at = time.monotonic() + self._grace_s
                threading.Thread(target=self._kill_late, name="tunedeck-killer", daemon=True).start()

    def is_told_to_end(self) -> bool:
        return self._kill_at is not None

    def _kill_late(self) -> None:
        while self._kill_at is not None and time.monotonic() < self._kill_at:
            time.sleep(min(0.1, self._grace_s))
            if not self._is_alive():
                return
        self.was_killed = self._process.returncode is None
        self.send(signal.SIGKILL)

    def wait_group(self) -> None:
        """Wait for what is left of a group that was told to end, until it has ended or is killed."""
        while self._kill_at is not None and self._is_alive() and time.monotonic() < self._kill_at + 1.0:
            time.sleep(0.05)

    def _is_alive(self) -> bool:
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True


def reason_of(code: int) -> str | None:
    """Return in words why the job of a command with this code has failed; None where it has not."""
    if code == 0:
        return None
    if code == 128 + signal.SIGKILL:  # a shell, or a launcher, says so of what it has started
        return f"exit code {code}: a process of it was {OUT_OF_MEMORY}"
    if code > 0:
        return f"exit code {code}"
    if -code == signal.SIGKILL:
        return OUT_OF_MEMORY
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
