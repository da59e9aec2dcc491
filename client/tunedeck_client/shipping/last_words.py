"""Tells the user at the end what is not sent yet, where it is kept, and which command sends it."""

from __future__ import annotations

import os
import shlex

from tunedeck_client.lines.text import count, say
from tunedeck_client.shipping.spool import Spool


def say_what_waits(spool: Spool, job_id: int, url: str, *, is_own_dir: bool, is_of_run: bool) -> None:
    """Say it on stderr: `is_own_dir` where the spool's folder was given, `is_of_run` where a run's has it."""
    for folder, kinds in spool.waiting_records().items():
        records = ", ".join(count(number, kind.noun) for kind, number in sorted(kinds.items()))
        if folder is None:
            say(f"{records} lost: neither the service nor the disk took what was left")
            continue
        state = os.path.dirname(os.path.dirname(folder))
        if is_of_run:  # which tunedeck-log does not know
            state = os.path.dirname(os.path.dirname(state))
            command, end = f"tunedeck run --report --logs-url {shlex.quote(url)}", ""
        else:
            command, end = f"tunedeck-log --job {job_id} --url {shlex.quote(url)}", " < /dev/null"
        option = f" --spool-dir {shlex.quote(state)}" if is_own_dir else ""
        say(f"{records} not sent yet, kept in {folder}. To send them: {command}{option}{end}")
