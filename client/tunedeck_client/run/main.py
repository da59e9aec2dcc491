"""The command `tunedeck run`."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from typing import Any, Iterator, Sequence

from tunedeck_client.jobs.heartbeat import BEAT_EVERY_S
from tunedeck_client.lines.text import say
from tunedeck_client.run.child import GRACE_S
from tunedeck_client.run.opening import Refused, open_job
from tunedeck_client.run.options import parse_options
from tunedeck_client.run.reporting import LeftToReport, report_left
from tunedeck_client.run.run import Run, Upload
from tunedeck_client.run.run_record import RunRecord
from tunedeck_client.run.streams import open_missing
from tunedeck_client.shipping.spool import state_folders
from tunedeck_client.transport.address import authorization
from tunedeck_client.transport.server import Server

START_TIMEOUT_S = 5.0  # for an answer, before the command starts
END_TIMEOUT_S = 30.0  # without any progress, in which the end of a run waits for a service that is away


def main(
    arguments: Sequence[str],
    *,
    upload: Upload,
    grace_s: float = GRACE_S,
    beat_every_s: float = BEAT_EVERY_S,
    end_timeout_s: float = END_TIMEOUT_S,
) -> int:
    """Run the command and return its exit code; see `options.EXIT_CODES` for the others."""
    open_missing()
    options = parse_options(arguments)
    try:
        server = Server(options.logs_url, options.logs_token, START_TIMEOUT_S)
        authorization(options.token)
    except ValueError as error:
        options.parser.error(str(error))
    states = state_folders(options.logs_url, options.spool_dir)
    if options.report:
        is_reported = report_left(states, server, end_timeout_s)
        if options.json:
            _print_json({"reported": is_reported})
        if not is_reported:
            say("what earlier runs have left cannot be reported yet")
        return 0 if is_reported else 1
    try:
        job, record = open_job(options, server, states, timeout_s=START_TIMEOUT_S)
    except Refused as refusal:
        say(str(refusal))
        return 2
    run = Run(options, job, record, upload, beat_every_s=beat_every_s, end_timeout_s=end_timeout_s)
    earlier = LeftToReport(states, server)
    with _token_file(job.token or server.token, record) as token_file:
        code = run.watch_child(token_file, earlier, grace_s=grace_s)
    if options.json:
        _print_json(run.result(code))
    if not (earlier.has_ended() & run.has_ended()):
        # A thread hangs in the system, inside of TLS perhaps: it must not see the interpreter end.
        os._exit(code)
    return code


def _print_json(result: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more
        os.write(1, f"{json.dumps(result)}\n".encode())


@contextlib.contextmanager
def _token_file(token: str | None, record: RunRecord) -> Iterator[str | None]:
    """Give a file that only we can read, which the Kubeflow callback wants; it must not be empty.

    It lies beside the record, which the next run on this machine deletes where this one is killed.
    """
    path, folder = None, record.path if record.is_kept else None
    try:
        descriptor, path = tempfile.mkstemp(prefix="tunedeck-token-", dir=folder)
        os.write(descriptor, (token or "none").encode())
        os.close(descriptor)
    except OSError:
        say("no temporary file can be written: the Kubeflow callback is not set up")
    try:
        yield path
    finally:
        if path is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)
