"""A training that takes more memory than there is: the kernel kills it, or Python refuses, and its job says so."""

import os
import sys
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

LIMIT_BYTES = 160 * 2**20
TAKES_MORE = "print('step 1', flush=True)\ntaken = [bytearray(b'x') * 2**20 for _ in range(400)]\nprint('step 2')"
KILLED = "killed by SIGKILL, the kernel's out-of-memory killer as a rule"


def memory_groups():
    """Return the folder of control groups for memory and the name of their limit; None where we cannot make one."""
    groups = Path("/sys/fs/cgroup")
    for folder, limit in ((groups / "memory", "memory.limit_in_bytes"), (groups, "memory.max")):
        probe = folder / f"tunedeck-{uuid.uuid4().hex}"
        try:
            probe.mkdir()
        except OSError:
            continue
        has_limit = (probe / limit).exists()
        probe.rmdir()
        if has_limit:
            return folder, limit
    return None


@pytest.fixture
def within_limit():
    """Python that puts its process, and so what that starts, under a limit of memory."""
    found = memory_groups()
    if found is None:
        pytest.skip("control groups of memory cannot be made here")
    folder, limit = found
    group = folder / f"tunedeck-{uuid.uuid4().hex}"
    group.mkdir()
    (group / limit).write_text(str(LIMIT_BYTES))
    yield f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
    for left in (group / "cgroup.procs").read_text().split():
        os.kill(int(left), 9)
    group.rmdir()


@pytest.mark.parametrize(
    ("around", "error"),
    [
        ([sys.executable, "-c"], KILLED),
        (["sh", "-c", f'{sys.executable} -c "$0"; exit $?'], f"exit code 137: a process of it was {KILLED}"),
    ],
    ids=["itself", "in a shell"],
)
def test_it_works(start_run, new_job, show, lines_of, within_limit, around, error):
    job = new_job()
    run = start_run("--job", str(job), command=[*around, TAKES_MORE], PREFACE=within_limit)
    code, out, _ = run.end()
    assert (code, out) == (137, b"step 1\n")
    assert (show(job)["status"], show(job)["error"]) == ("failed", error)
    messages = [message for _, message in lines_of(job)]
    assert (messages[0], messages[-1]) == ("step 1", f"tunedeck run: {error}")


def test_memory_that_python_refuses_is_a_traceback(start_run, new_job, show, lines_of):
    program = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); bytearray(2**40)"
    job = new_job()
    assert start_run("--job", str(job), program=program).end()[0] == 1
    assert (show(job)["status"], show(job)["error"]) == ("failed", "exit code 1")
    (told,) = [message for level, message in lines_of(job) if level == "error" and "Traceback" in message]
    assert told.endswith("MemoryError")
