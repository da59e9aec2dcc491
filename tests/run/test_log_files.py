"""The log files of `make run`'s parts: bounded, no line torn, no part held up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from run.log_files import LogFile

PRINTS = """
import os, sys
who, lines, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(lines):
    os.write(1, f"{who} {number} {'x' * (number * 37 % length)}\\n".encode())
"""


@pytest.fixture
def new_log():
    logs = []

    def new_log(path, **options):
        logs.append(LogFile(path, **options))
        return logs[-1]

    yield new_log
    for log in logs:
        log.close()


def printing(log, who, lines, length):
    """Start a process that prints numbered lines of different lengths into a log's pipe."""
    output = log.open_pipe()
    command = [sys.executable, "-c", PRINTS, who, str(lines), str(length)]
    process = subprocess.Popen(command, stdout=output)
    os.close(output)
    return process


def files_of(log):
    """The log's files, the oldest first."""
    return sorted(log.path.parent.iterdir(), key=lambda path: path.name, reverse=True)


def test_it_works(new_log, tmp_path):
    log = new_log(tmp_path / "part.log")
    assert printing(log, "a", 1000, 100).wait(60) == 0
    log.wait(60)
    assert [path.name for path in files_of(log)] == ["part.log"]
    assert log.path.read_text().splitlines() == [f"a {number} {'x' * (number * 37 % 100)}" for number in range(1000)]


def test_what_the_last_process_printed_is_read_alone_and_nothing_where_the_file_was_deleted(new_log, tmp_path):
    log = new_log(tmp_path / "part.log")
    for who in "ab":
        assert printing(log, who, 2, 9).wait(60) == 0
        log.wait(60)
    assert log.read_last_process() == "b 0 \nb 1 x\n"
    log.path.unlink()
    assert log.read_last_process() == ""


def test_it_keeps_three_files_and_tears_no_line(new_log, tmp_path):
    log = new_log(tmp_path / "part.log", max_bytes=50_000)
    assert printing(log, "a", 4000, 200).wait(60) == 0
    log.wait(60)
    assert [path.name for path in files_of(log)] == ["part.log.2", "part.log.1", "part.log"]
    # One read of the pipe more than the bound, at most.
    assert all(50_000 <= path.stat().st_size < 50_000 + 2**16 for path in files_of(log)[:2])
    kept = [line for path in files_of(log) for line in path.read_text().splitlines(keepends=True)]
    first = int(kept[0].split()[1])
    assert 0 < first < 3900
    assert kept == [f"a {number} {'x' * (number * 37 % 200)}\n" for number in range(first, 4000)]


def test_several_processes_of_a_part_mix_no_lines(new_log, tmp_path):
    """A service's workers have one pipe: a line of up to 4 KiB is whole, however full the pipe is."""
    log = new_log(tmp_path / "part.log", max_bytes=10**6)
    output = log.open_pipe()
    command = [sys.executable, "-c", PRINTS]
    processes = [subprocess.Popen([*command, who, "300", "4000"], stdout=output) for who in "abc"]
    os.close(output)
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    log.wait(60)
    lines = [line for path in files_of(log) for line in path.read_text().splitlines()]
    for who in "abc":
        kept = [line for line in lines if line.startswith(who)]
        numbers = range(300 - len(kept), 300)
        assert kept == [f"{who} {number} {'x' * (number * 37 % 4000)}" for number in numbers]


def test_the_next_process_goes_on_in_the_same_files(new_log, tmp_path):
    for who in "ab":
        log = new_log(tmp_path / "part.log", max_bytes=1000)
        assert printing(log, who, 10, 30).wait(60) == 0
        log.wait(60)
    assert [line[0] for line in log.path.read_text().splitlines()] == ["a"] * 10 + ["b"] * 10


def test_what_grew_too_large_before_is_rotated(new_log, tmp_path):
    (tmp_path / "part.log").write_text("old\n" * 1000)
    log = new_log(tmp_path / "part.log", max_bytes=1000)
    assert printing(log, "a", 3, 9).wait(60) == 0
    log.wait(60)
    assert (tmp_path / "part.log.1").read_text() == "old\n" * 1000 + "a 0 \n"
    assert log.path.read_text() == "a 1 x\na 2 xx\n"


def test_a_line_that_never_ends_is_bounded_too(new_log, tmp_path):
    log = new_log(tmp_path / "part.log", max_bytes=100_000)
    output = log.open_pipe()
    endless = subprocess.Popen([sys.executable, "-c", "print('x' * 3_000_000, end='')"], stdout=output)
    os.close(output)
    assert endless.wait(60) == 0
    log.wait(60)
    assert len(files_of(log)) == 3
    assert sum(path.stat().st_size for path in files_of(log)) < 3 * (2 * 100_000 + 2**16)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_holds_no_part_up(new_log, tmp_path):
    (tmp_path / "part.log").symlink_to("/dev/full")
    log = new_log(tmp_path / "part.log")
    assert printing(log, "a", 20_000, 200).wait(60) == 0


def test_a_folder_that_is_gone_holds_no_part_up(new_log, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    log = new_log(folder / "part.log", max_bytes=1000)
    log.path.unlink()
    folder.rmdir()
    assert printing(log, "a", 5000, 200).wait(60) == 0
