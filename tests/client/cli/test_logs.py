"""`tunedeck logs`: what there is, and what comes."""

import json
import os
import signal

from tests.support.waiting import wait_until


def lines_of(out):
    return [line.split(" ", 1)[1].strip().partition(" ")[2].strip() for line in out.splitlines()]


def test_it_works(tunedeck, new_job):
    job = new_job("one", {"message": "two", "level": "error"}, "three\nfour", "", "Fünf 重み")

    out = tunedeck("logs", job).out

    assert lines_of("".join(out.splitlines(keepends=True)[:2])) == ["one", "two"]
    assert " ERROR two\n" in out
    assert "three\nfour\n" in out
    assert "Fünf 重み" in out
    assert "\x1b" not in out, "no colours into a pipe"


def test_the_last_lines_and_those_that_a_filter_lets_through(tunedeck, new_job):
    lines = [{"message": f"step {n}", "level": "warn" if n % 10 == 0 else "info", "source": "a"} for n in range(2_500)]
    job = new_job(*lines, {"message": "Loss is NaN", "source": "b"})

    assert len(tunedeck("logs", job).out.splitlines()) == 2_501
    assert lines_of(tunedeck("logs", job, "--tail", 2).out) == ["step 2499", "Loss is NaN"]
    assert lines_of(tunedeck("logs", job, "-n", 2, "--level", "warn").out) == ["step 2480", "step 2490"]
    assert lines_of(tunedeck("logs", job, "--source", "b").out) == ["Loss is NaN"]
    assert lines_of(tunedeck("logs", job, "--search", "loss IS").out) == ["Loss is NaN"]
    assert tunedeck("logs", job, "--tail", 0).out == ""
    records = [json.loads(line) for line in tunedeck("logs", job, "--tail", 3, "--json").out.splitlines()]
    assert [record["ID"] for record in records] == [2_499, 2_500, 2_501]


def test_following_ends_with_the_job(tunedeck, new_job, end_job, system):
    job = new_job("before")
    following = tunedeck.start("logs", job, "-f")
    assert following.stdout.readline().endswith("before\n")
    system.request("POST", f"/jobs/{job}/logs", json={"message": "live"})
    assert following.stdout.readline().endswith("live\n")
    end_job(job)
    out, err = following.communicate(timeout=30)
    assert (following.returncode, out, err) == (0, "", f"job {job} is completed\n")


def test_following_a_job_that_failed_is_1(tunedeck, new_job, end_job):
    job = new_job("last words")
    end_job(job, "failed", error="out of memory")
    done = tunedeck("logs", job, "-f", "--tail", 10, code=1)
    assert done.out.endswith("last words\n")
    assert done.err == f"job {job} is failed: out of memory\n"
    assert tunedeck("logs", job).code == 0


def test_following_goes_on_after_cuts_with_each_line_once(tunedeck, new_job, end_job, system, pipe):
    job = new_job("line 0")
    following = tunedeck.start("logs", job, "--follow", "--tail", 5, "--search", "LINE", TUNEDECK_URL=pipe.url)
    seen = [following.stdout.readline()]
    for number in range(1, 7):
        if number % 3 == 0:
            pipe.cut()
        system.request("POST", f"/jobs/{job}/logs", json={"message": f"line {number}"})
        if number % 3 == 0:
            pipe.mend()
        seen.append(following.stdout.readline())
    end_job(job)
    out, err = following.communicate(timeout=30)
    assert (out, following.returncode) == ("", 0), err
    assert lines_of("".join(seen)) == [f"line {number}" for number in range(7)]


def test_following_survives_the_services_restart(tunedeck, new_job, end_job, system):
    job = new_job("before")
    following = tunedeck.start("logs", job, "-f")
    following.stdout.readline()
    for pid in system.processes("services.logs.app"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: system.request("POST", f"/jobs/{job}/logs", json={"message": "after"}).status_code == 201)
    assert following.stdout.readline().endswith("after\n")
    end_job(job)
    assert following.wait(30) == 0


def test_an_unknown_job_is_told(tunedeck):
    for arguments in ((), ("-f",)):
        assert "no job 999999" in tunedeck("logs", 999_999, *arguments, code=3).err


def test_ctrl_c_is_130(tunedeck, new_job):
    following = tunedeck.start("logs", new_job("running"), "-f")
    following.stdout.readline()
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=20)
    assert (following.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_error(tunedeck, new_job):
    read, write = os.pipe()
    long = tunedeck.start("logs", new_job(*["x" * 1000] * 3_000), stdout=write)
    os.close(write)
    os.read(read, 10)
    os.close(read)
    _, err = long.communicate(timeout=30)
    assert (long.returncode, err) == (141, "")


HOSTILE = "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m back\b\b\b \x9b5A over\rwritten \u202eturned"


def test_a_line_cannot_take_over_the_terminal(tunedeck, new_job):
    out = tunedeck("logs", new_job(HOSTILE)).out
    assert not set(out) & set("\x1b\x07\b\r\x9b\u202e")
    assert "red" in out


def test_a_terminal_has_colours_and_nothing_else(tunedeck, new_job):
    job = new_job({"message": HOSTILE, "level": "error"})
    shown = tunedeck.on_terminal("logs", job, NO_COLOR=None)
    assert "\x1b[31m" in shown
    assert "\x1b[2J" not in shown
    assert "\x1b]" not in shown
    assert "\x1b" not in tunedeck.on_terminal("logs", job, NO_COLOR="1")


def test_a_terminal_has_progress_bars(tunedeck, folder):
    shown = tunedeck.on_terminal("push", folder)
    assert "adapter_model.safetensors" in shown
    assert "is ready" in shown
