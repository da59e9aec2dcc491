"""`tunedeck-log`, as a process."""

import signal
import time

from tunedeck_client import __version__


def test_it_works(service, start_pipe):
    pipe = start_pipe(service.url, "--source", "train.py", "--level", "debug")
    text = b"epoch 1\r\nWARNING: hot\nbad \xff byte\n\n10%\r20%\r100%\nno end"
    out, err = pipe.communicate(text, timeout=10)
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
    pipe.communicate(timeout=10)
    assert service.messages == ["café"]


def test_lines_go_out_while_the_program_runs(service, start_pipe):
    pipe = start_pipe(service.url)
    pipe.stdin.write(b"live\n")
    pipe.stdin.flush()
    assert service.wait_for(lambda s: s.messages == ["live"])
    assert pipe.stdout.readline() == b"live\n"


def test_it_says_its_version(service, start_pipe):
    out, _ = start_pipe(service.url, "--version").communicate(timeout=10)
    assert out.decode() == f"tunedeck-log {__version__}\n"


def test_quiet_prints_nothing(service, start_pipe):
    out, _ = start_pipe(service.url, "--quiet").communicate(b"x\n", timeout=10)
    assert out == b""
    assert service.messages == ["x"]


def test_a_signal_drains_what_there_is(service, start_pipe):
    pipes = {signal.SIGINT: start_pipe(service.url), signal.SIGTERM: start_pipe(service.url)}
    for number, pipe in pipes.items():
        pipe.stdin.write(b"%d one\n" % number)
        pipe.stdin.flush()
    assert service.wait_for(lambda s: len(s.lines) == 2)
    for number, pipe in pipes.items():
        pipe.send_signal(number)
    time.sleep(0.1)
    for number, pipe in pipes.items():
        pipe.stdin.write(b"%d last words\n%d no end" % (number, number))
        pipe.stdin.flush()
    for number, pipe in pipes.items():
        assert (pipe.wait(10), pipe.stderr.read()) == (0, b"")
        mine = [message for message in service.messages if message.startswith(f"{number} ")]
        assert mine == [f"{number} one", f"{number} last words", f"{number} no end"]


def test_a_broken_stdout_does_not_stop_the_log(service, start_pipe):
    pipe = start_pipe(service.url)
    pipe.stdout.close()
    for number in range(20):
        pipe.stdin.write(b"%d\n" % number)
        pipe.stdin.flush()
    pipe.stdin.close()
    assert pipe.wait(10) == 0
    assert service.messages == [str(number) for number in range(20)]
    assert pipe.stderr.read() == b""
    pipe.stdin = pipe.stdout = None


def test_it_rejects_arguments_that_cannot_work(start_pipe):
    pipe = start_pipe("ftp://x")
    _, err = pipe.communicate(b"", timeout=10)
    assert pipe.returncode == 2
    assert b"url must be" in err
