"""Supervises the parts: starts them in the order of their needs, restarts what dies, stops them all."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from run.log_files import LogFile
from run.parts import ROOT, Part
from run.readiness import answers, refusal

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 8.0
LAST_WORDS_WITHIN_S = 1.0
MAX_FAILED_STARTS = 5
_BACKOFF_S = (0.0, 1.0, 2.0, 5.0)
_PROBE_EVERY_S = 0.1
_PR_SET_PDEATHSIG = 1


class PartFailed(Exception):
    """A part could not be started; the message names it and says why, by its log."""


class Supervisor:
    """Runs parts until a signal, or until one of them cannot be started; a start has ``ready_within_s`` to succeed."""

    def __init__(self, parts: Sequence[Part], log_dir: Path, ready_within_s: float = READY_WITHIN_S) -> None:
        self._parts = parts
        self._ready_within_s = ready_within_s
        self._logs = {part.name: LogFile(log_dir / f"{part.name.replace(' ', '-')}.log") for part in parts}
        self._ready = {part.name: asyncio.Event() for part in parts}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self, ready_message: str) -> None:
        """Print each part that becomes ready, then ``ready_message``; return when stopped, or raise PartFailed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stopping.set)
        supervisors: list[asyncio.Task[None]] = [asyncio.create_task(self._supervise(part)) for part in self._parts]
        announcer = asyncio.create_task(self._announce(ready_message))
        stopper = asyncio.create_task(self._stopping.wait())
        try:
            while not stopper.done():
                await asyncio.wait({stopper, *supervisors}, return_when=asyncio.FIRST_COMPLETED)
                for supervisor in [supervisor for supervisor in supervisors if supervisor.done()]:
                    supervisor.result()  # raises PartFailed; that of a step returns
                    supervisors.remove(supervisor)
        finally:
            self._stopping.set()
            for task in (announcer, stopper, *supervisors):
                task.cancel()
            await asyncio.gather(announcer, stopper, *supervisors, return_exceptions=True)
            await self._stop_all()

    async def _announce(self, ready_message: str) -> None:
        for ready in self._ready.values():
            await ready.wait()
        _say(ready_message)

    async def _supervise(self, part: Part) -> None:
        """Start a part, and restart it whenever it dies."""
        for name in part.needs:
            await self._ready[name].wait()
        failed_starts = deaths = 0
        while True:
            process = await self._start(part)
            if await self._becomes_ready(part, process):
                if part.ready_url is None:
                    self._ready[part.name].set()
                    return
                _say(f"{part.name} is ready{'  ' + part.shows if part.shows else ''}")
                self._ready[part.name].set()
                ready_at = time.monotonic()
                code = await process.wait()
                _say(f"{part.name} died ({_ending(code)}), starting it again")
                # One that ran for a minute is restarted without a delay.
                deaths = deaths + 1 if time.monotonic() - ready_at < 60 else 0
                failed_starts = 0
            else:
                failed_starts += 1
                said = ""
                # A service whose dependency is away waits for it, and prints nothing; who has ended is not asked, for
                # another process may have its port.
                if part.ready_url is not None and process.returncode is None:
                    said = await asyncio.to_thread(refusal, part.ready_url)
                code = await self._stop(part.name, process)
                log = self._logs[part.name]
                reason = said or _reason(log.read_last_process())
                _say(f"{part.name} did not become ready ({_ending(code)}): {reason} (see {log.path})")
                if failed_starts >= MAX_FAILED_STARTS:
                    raise PartFailed(f"{part.name} failed to start {failed_starts} times: {reason}")
            await asyncio.sleep(_BACKOFF_S[min(max(failed_starts, deaths), len(_BACKOFF_S) - 1)])

    async def _start(self, part: Part) -> asyncio.subprocess.Process:
        _remove_leftovers(part)  # of a run that was killed
        output = self._logs[part.name].open_pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                cwd=ROOT,
                env=os.environ | part.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                # A process group of its own: Ctrl-C signals us alone, and we signal all that the part has started.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(output)
        self._running[part.name] = process
        return process

    async def _becomes_ready(self, part: Part, process: asyncio.subprocess.Process) -> bool:
        deadline = time.monotonic() + self._ready_within_s
        while time.monotonic() < deadline:
            if process.returncode is not None:
                return part.ready_url is None and process.returncode == 0
            if part.ready_url is not None and await asyncio.to_thread(answers, part.ready_url):
                return True
            await asyncio.sleep(_PROBE_EVERY_S)
        return False

    async def _stop_all(self) -> None:
        # The gateway first: no client sees a service go.
        order = sorted(self._running.items(), key=lambda item: item[0] != "gateway")
        await asyncio.gather(*(self._stop(name, process) for name, process in order))
        for part in self._parts:
            _remove_leftovers(part)
            self._logs[part.name].close()

    async def _stop(self, name: str, process: asyncio.subprocess.Process) -> int:
        """Stop a part's process and its group: SIGTERM, and SIGKILL after eight seconds; its last words are kept."""
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
        _signal_group(process.pid, signal.SIGKILL)
        code = await process.wait()
        await asyncio.to_thread(self._logs[name].wait, LAST_WORDS_WITHIN_S)
        return code


def _reason(printed: str) -> str:
    """Return why a process has ended: the last line of what it printed that is an error, else the last of all."""
    lines = [_message(line) for line in printed.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or ["it printed nothing"])[-1]


def _message(line: str) -> str:
    """Return the message of a line of JSON, any other line as it is."""
    try:
        event = json.loads(line)["event"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return line
    return event if isinstance(event, str) else line


def _remove_leftovers(part: Part) -> None:
    for path in part.leaves:
        path.unlink(missing_ok=True)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _die_with_parent() -> None:
    """Runs in the child: Linux ends the part with the supervisor, even where that is killed outright."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


_libc = ctypes.CDLL(None)


def _ending(code: int | None) -> str:
    if code is None:
        return "still running"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _say(text: str) -> None:
    print(text, flush=True)
