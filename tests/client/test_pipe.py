"""`tunedeck-log`, as a process."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tunedeck_client import __version__

from tests.support.waiting import wait_until

CLIENT = Path(__file__).resolve().parents[2] / "client"


def test_it_works(service, start_pipe):
    pipe = start_pipe(service.url, "--source", "train.py", "--level", "debug")
    text = b"epoch 1\r\nWARNING: hot\nbad \xff byte\n\n10%\r20%\r100%\nno end"
    out, err = pipe.communicate(text, timeout=60)
    assert (pipe.returncode, out, err) == (0, text, b"")
    assert [(entry["level"], entry["message"]) for entry in service.lines] == [
        ("debug", "epoch 1"),
        ("warn", "WARNING: hot"),
        ("debug", "bad \ufffd byte"),
        ("debug", ""),
        ("debug", "100%"),
        ("debug", "no end"),
    ]
    assert {entry["source"] for entry in service.lines} == {"train.py"}


def test_a_character_cut_by_the_buffer_stays_whole(service, start_pipe):
    pipe = start_pipe(service.url)
    for part in (b"caf\xc3", b"\xa9\n"):
        pipe.stdin.write(part)
        pipe.stdin.flush()
        time.sleep(0.1)
    pipe.communicate(timeout=60)
    assert service.messages == ["café"]


def test_lines_go_out_while_the_program_runs(service, start_pipe):
    pipe = start_pipe(service.url)
    pipe.stdin.write(b"live\n")
    pipe.stdin.flush()
    assert service.wait_for(lambda s: s.messages == ["live"])
    assert pipe.stdout.readline() == b"live\n"


def test_it_says_its_version(service, start_pipe):
    out, _ = start_pipe(service.url, "--version").communicate(timeout=60)
    assert out.decode() == f"tunedeck-log {__version__}\n"


def test_quiet_prints_nothing(service, start_pipe):
    out, _ = start_pipe(service.url, "--quiet").communicate(b"x\n", timeout=60)
    assert out == b""
    assert service.messages == ["x"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_program_its_last_words(service, start_pipe, number):
    pipe = start_pipe(service.url)
    pipe.stdin.write(b"one\n")
    pipe.stdin.flush()
    assert service.wait_for(lambda s: s.messages == ["one"])
    pipe.send_signal(number)
    time.sleep(1.5)  # longer than it waited for last words until it read to the end
    pipe.stdin.write(b"checkpoint saved\nno end")
    pipe.stdin.flush()
    pipe.stdin.close()
    assert (pipe.wait(60), pipe.stderr.read()) == (0, b"")
    assert service.messages == ["one", "checkpoint saved", "no end"]
    pipe.stdin = None


def test_a_second_signal_ends_it(service, start_pipe):
    pipe = start_pipe(service.url)
    pipe.stdin.write(b"one\n")
    pipe.stdin.flush()
    assert service.wait_for(lambda s: s.messages == ["one"])

    def ends_by_another():
        """Whether it has ended; a signal is lost that comes before the one before was handled."""
        pipe.send_signal(signal.SIGTERM)
        return pipe.poll() is not None

    wait_until(ends_by_another)
    assert pipe.returncode == -signal.SIGTERM


SAVES_FOR_A_WHILE = """
import signal, sys, time
def save(*_):
    for part in range(20):
        print("saving", part, flush=True)
        time.sleep(0.1)
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("training", flush=True)
time.sleep(60)
"""


def test_the_group_is_terminated_and_the_training_saves(service, tmp_path):
    """As a scheduler does it: TERM to all of `trap : TERM; python … | tunedeck-log …`."""
    program = tmp_path / "save.py"
    program.write_text(SAVES_FOR_A_WHILE)
    tunedeck_log = f"{sys.executable} -m tunedeck_client --job 7 --url {service.url} --spool-dir {tmp_path}/spool"
    script = f"set -o pipefail; trap : TERM; {sys.executable} {program} | {tunedeck_log} > {tmp_path}/out"
    environ = {**os.environ, "PYTHONPATH": str(CLIENT)}
    shell = subprocess.Popen(["bash", "-c", script], env=environ, start_new_session=True)
    assert service.wait_for(lambda s: "training" in s.messages)
    os.killpg(shell.pid, signal.SIGTERM)
    assert shell.wait(60) == 0
    assert service.messages == ["training", *(f"saving {part}" for part in range(20)), "saved"]


def test_a_broken_stdout_does_not_stop_the_log(service, start_pipe):
    pipe = start_pipe(service.url)
    pipe.stdout.close()
    for number in range(20):
        pipe.stdin.write(b"%d\n" % number)
        pipe.stdin.flush()
    pipe.stdin.close()
    assert pipe.wait(60) == 0
    assert service.messages == [str(number) for number in range(20)]
    assert pipe.stderr.read() == b""
    pipe.stdin = pipe.stdout = None


def test_it_rejects_arguments_that_cannot_work(start_pipe):
    pipe = start_pipe("ftp://x")
    _, err = pipe.communicate(b"", timeout=60)
    assert pipe.returncode == 2
    assert b"address must be" in err


def test_a_file_faster_than_the_service_is_sent_whole(service, start_pipe):
    """The spool fills while the service takes: the pipe pushes back, and at the end goes on as long as it takes."""
    service.delay = 0.05
    pipe = start_pipe(service.url, "--quiet", command=("-c", SMALL_SPOOL))
    text = b"".join(b"line %d %s\n" % (number, b"x" * 100) for number in range(20_000))
    _, err = pipe.communicate(text, timeout=60)
    assert (pipe.returncode, err) == (0, b"")
    assert [message.split()[1] for message in service.messages] == [str(number) for number in range(20_000)]


SMALL_SPOOL = """
import tunedeck_client.shipping.log_shipper as shipping
from tunedeck_client import pipe
class LogShipper(shipping.LogShipper):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, max_spool_bytes=1_000_000, max_queue_bytes=200_000)
pipe.LogShipper = LogShipper
raise SystemExit(pipe.main(exit_timeout=1.0))
"""


def test_an_outage_with_a_full_spool_holds_nothing_up(free_port, start_pipe):
    pipe = start_pipe(f"http://127.0.0.1:{free_port}", command=("-c", SMALL_SPOOL))
    text = b"".join(b"line %d %s\n" % (number, b"x" * 100) for number in range(20_000))
    out, _ = pipe.communicate(text, timeout=60)
    assert (pipe.returncode, out) == (0, text)


def test_what_hangs_is_shown_every_five_seconds(service, start_pipe):
    pipe = start_pipe(service.url)
    pipe.stdin.write(b"\r 40%|####\n\r 10%|#     \x1b[A")
    pipe.stdin.flush()
    assert service.wait_for(lambda s: s.messages == [" 40%|####", " 10%|#     "], timeout=60)


def test_a_stdout_that_would_block_is_waited_for(service, tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = b"x" * 99 + b"\n"
    command = [sys.executable, "-m", "tunedeck_client", "--job", "7", "--spool-dir", str(tmp_path / "spool")]
    slow = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writer, env=pipe_environment(service.url))
    os.close(writer)
    writing = threading.Thread(target=slow.communicate, args=(text * 5_000,))
    writing.start()
    read = b""
    while data := os.read(reader, 1000):
        read += data
    os.close(reader)
    writing.join(10)
    assert slow.returncode == 0
    assert read == text * 5_000


def pipe_environment(url):
    return {**os.environ, "PYTHONPATH": str(CLIENT), "LOGS_URL": url}


def test_a_stdin_that_would_block_is_waited_for(service, tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    command = [sys.executable, "-m", "tunedeck_client", "--job", "7", "--spool-dir", str(tmp_path / "spool")]
    pipe = subprocess.Popen(command, stdin=reader, stdout=subprocess.DEVNULL, env=pipe_environment(service.url))
    os.close(reader)
    os.write(writer, b"one\n")
    assert service.wait_for(lambda s: s.messages == ["one"])
    os.write(writer, b"two\n")
    os.close(writer)
    assert pipe.wait(60) == 0
    assert service.messages == ["one", "two"]


def test_a_dead_service_is_told_and_what_waits_can_be_sent(start_service, free_port, start_pipe, tmp_path):
    url = f"http://127.0.0.1:{free_port}"
    pipe = start_pipe(url, command=("-c", "from tunedeck_client.pipe import main; raise SystemExit(main())"))
    _, err = pipe.communicate(b"one\ntwo\n", timeout=60)
    away, waits = err.decode().splitlines()
    assert f"the logs service at {url} cannot be reached" in away
    assert waits.startswith(f"tunedeck-client: 2 lines not sent yet, kept in {tmp_path / 'spool' / 'job-7'}/")
    service = start_service(free_port)
    command = waits.split("To send them: ")[1].replace("tunedeck-log", f"{sys.executable} -m tunedeck_client")
    subprocess.run(["bash", "-c", command], env=pipe_environment(url), check=True, timeout=60)
    assert service.messages == ["one", "two"]


def test_it_tells_when_the_service_is_back(start_service, free_port, start_pipe):
    url = f"http://127.0.0.1:{free_port}"
    pipe = start_pipe(url)
    pipe.stdin.write(b"one\n")
    pipe.stdin.flush()
    assert b"cannot be reached" in pipe.stderr.readline()
    service = start_service(free_port)
    _, err = pipe.communicate(timeout=60)
    assert err.decode() == f"tunedeck-client: the logs service at {url} answers again\n"
    assert service.messages == ["one"]


def test_colours_stay_and_other_sequences_go(service, start_pipe):
    start_pipe(service.url).communicate(b"\x1b]0;title\x07\x1b[31mred\x1b[0m\x1b[?25l\n", timeout=60)
    assert service.messages == ["\x1b[31mred\x1b[0m"]


def test_a_traceback_is_one_line_of_level_error(service, start_pipe):
    text = b'start\nTraceback (most recent call last):\n  File "x", line 1\nValueError: bad\nend\n'
    start_pipe(service.url).communicate(text, timeout=60)
    assert [line["level"] for line in service.lines] == ["info", "error", "info"]
    assert service.messages[1].endswith("ValueError: bad")


def test_the_command_of_the_readme_is_live(service, tmp_path):
    """Without `-u` a script's lines come at its end, or never after a SIGKILL."""
    program = tmp_path / "train.py"
    program.write_text("import time\nprint('training')\ntime.sleep(60)\n")
    readme = (CLIENT / "README.md").read_text()
    (command,) = (line for line in readme.split("\n") if line.startswith("python -u train.py"))
    command = command.replace("python", sys.executable, 1).replace("http://127.0.0.1:8001", service.url)
    command = command.replace("tunedeck-log", f"{sys.executable} -m tunedeck_client --spool-dir {tmp_path}/spool")
    environ = {name: value for name, value in pipe_environment(service.url).items() if name != "PYTHONUNBUFFERED"}
    shell = subprocess.Popen(
        ["bash", "-c", command], cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert service.wait_for(lambda s: s.messages == ["training"])
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
