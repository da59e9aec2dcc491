"""Opens the job of a run: claimed, created, or to be created as soon as the service is back."""

from __future__ import annotations

import argparse
import sys
import uuid
from typing import Any

from tunedeck_client.jobs.claimed_job import ClaimedJob, kernel_name
from tunedeck_client.lines.text import say
from tunedeck_client.run.reporting import take_over
from tunedeck_client.run.run_record import RunRecord, is_running_here, new_record
from tunedeck_client.transport.server import Server


class Refused(Exception):
    """The service, or another run on this machine, does not let us have the job."""


def open_job(
    options: argparse.Namespace, server: Server, states: list[str], *, timeout_s: float
) -> tuple[ClaimedJob, RunRecord]:
    """Return the job and its record; raises Refused where the service says no, not where it is away."""
    if options.job is not None:
        if is_running_here(states, options.job):
            raise Refused(f"job {options.job} has a run on this machine already")
        take_over(states, server, options.job, timeout_s)
    content: dict[str, Any] = {
        "job": options.job,
        "new": None if options.job is not None else options.new,
        "key": f"tunedeck-run-{uuid.uuid4().hex}",
        "kernel": options.kernel or kernel_name(),
        "end": None,
    }
    record = new_record(states, content)
    if not record.is_kept:
        say("no state folder can be written: what is not sent by the end of the run is lost")
    job = ClaimedJob(server, content["kernel"], job_id=options.job, new=content["new"], key=content["key"])
    job.on_created = lambda job_id: record.write(job=job_id, kernel=job.kernel)
    answer = job.claim()
    if answer.is_error and not answer.is_passing:
        record.delete()
        raise Refused(f"the job cannot be had, the service answers {answer.status} {answer.reason}")
    if answer.status != 200:
        away = f"the logs service at {server.url} is away ({answer.reason})"
        say(f"{away}: the command runs, its log waits")
    elif job.job_id is not None:
        tell_person(f"this is job {job.job_id}: {options.url}/ui/jobs/{job.job_id}")
    return job, record


def tell_person(message: str) -> None:
    """Say it where somebody reads along; in a script stderr is the command's own."""
    if sys.stderr.isatty():
        say(message)
