"""Exit, fork and the end of the interpreter."""

import socket
import time

from tests.support.measured_session import NOT_MEASURED


def test_lines_before_the_exit_are_sent(service, run_python):
    done = run_python('log.info("last words")', service.url)
    assert service.messages == ["last words"]
    assert done.stderr == ""


def test_lines_before_an_uncaught_exception_are_sent(service, run_python):
    done = run_python('log.info("last words")\nraise SystemExit(3)', service.url, check=False)
    assert done.returncode == 3
    assert service.messages == ["last words"]


SHORT_EXIT = """
log.removeHandler(handler)
handler = JobLogHandler(7, url=url, spool_dir=spool, exit_timeout=1.0)
log.addHandler(handler)
log.info("logged")
"""
SHORT_EXIT_PIPE = "from tunedeck_client.pipe import main; raise SystemExit(main(exit_timeout=1.0))"


def test_the_exit_beside_a_dead_service_is_bounded_and_tells_what_waits(run_python, start_pipe, service, make_log):
    start = time.monotonic()
    pipe = start_pipe("http://127.0.0.1:1", command=("-c", SHORT_EXIT_PIPE))
    pipe.stdin.write(b"printed\n" * 5_000)
    pipe.stdin.close()
    done = run_python(SHORT_EXIT, "http://127.0.0.1:1")
    assert (done.stdout, "1 line not sent yet" in done.stderr) == ("", True)
    assert (pipe.wait(60), pipe.stdout.read()) == (0, b"printed\n" * 5_000)
    assert b"5000 lines not sent yet" in pipe.stderr.read()
    pipe.stdin = None
    assert time.monotonic() - start > 1.0, "both waited for the service, and not for ever"
    _, handler = make_log(service.url)
    assert handler.flush() is True
    assert sorted(service.messages) == ["logged"] + ["printed"] * 5_000


def test_a_log_from_an_exit_handler_does_no_harm(service, run_python):
    done = run_python('import atexit\natexit.register(log.info, "bye")\nlog.info("x")', service.url)
    assert service.messages == ["x", "bye"]
    assert done.stderr == ""


FORK = """
log.info("parent 1")
handler.flush()
child = os.fork()
if child == 0:
    for n in range(50): log.info("child %d", n)
    os._exit(0 if handler.flush() else 1)
log.info("parent 2")
assert os.waitpid(child, 0)[1] == 0
assert handler.flush()
"""


def test_a_forked_child_logs_for_itself(service, run_python):
    run_python(FORK, service.url, environ=NOT_MEASURED)
    assert [m for m in service.messages if m.startswith("parent")] == ["parent 1", "parent 2"]
    assert [m for m in service.messages if m.startswith("child")] == [f"child {n}" for n in range(50)]
    assert len(service.lines) == 52


BUSY_FORK = """
import threading
def chat():
    n = 0
    while not done: log.info("p %d", n); n += 1
done = False
threads = [threading.Thread(target=chat) for _ in range(2)]
[t.start() for t in threads]
children = []
for c in range(8):
    pid = os.fork()
    if pid == 0:
        log.info("c %d", c)
        os._exit(0 if handler.flush(30) else 1)
    children.append(pid)
    time.sleep(0.01)
states = [os.waitpid(pid, 0)[1] for pid in children]
done = True
[t.join() for t in threads]
assert states == [0] * 8, states
assert handler.flush(60)
"""


def test_a_fork_amid_heavy_logging_hangs_nobody(service, run_python):
    run_python(BUSY_FORK, service.url, environ=NOT_MEASURED)
    assert sorted(m for m in service.messages if m.startswith("c")) == [f"c {n}" for n in range(8)]
    sent = [int(m.split()[1]) for m in service.messages if m.startswith("p")]
    assert len(sent) == 2 * len(set(sent)) or len(sent) >= max(sent)


WORKERS = """
import multiprocessing
def work(n):
    log.info("worker %d", n)
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(n,)) for n in range(3)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    assert [w.exitcode for w in workers] == [0, 0, 0]
    log.info("all done")
"""


def test_a_multiprocessing_worker_sends_its_last_words(service, run_python):
    run_python(WORKERS, service.url, environ=NOT_MEASURED)
    assert sorted(service.messages) == ["all done", "worker 0", "worker 1", "worker 2"]


ORPHANS = """
child = os.fork()
if child == 0:
    log.info("from the child")
    wait_for_disk(1)
    os.kill(os.getpid(), 9)
os.waitpid(child, 0)
"""


def test_the_parent_sends_what_a_dead_child_left(run_python, service):
    service.plan = [503] * 8  # for longer than the child lives
    run_python(ORPHANS, service.url, environ=NOT_MEASURED)
    assert service.messages == ["from the child"]


def test_the_parent_of_a_fork_keeps_its_lock(start_python, service, make_log, tmp_path):
    # The child closes its copy of the lock: with the parent killed and the child alive, the file is free.
    program = """
if os.fork() == 0:
    os.close(1)
    time.sleep(20)  # alive for as long as the test looks
    os._exit(0)
log.info("left")
wait_for_disk(1)
print("ready", flush=True)
os.kill(os.getpid(), 9)
"""
    process = start_python(program, "http://127.0.0.1:1")
    process.stdout.readline()
    process.wait()
    _, handler = make_log(service.url)
    assert handler.flush() is True
    assert service.messages == ["left"]


def test_the_exception_that_ends_it_is_logged(service, run_python):
    done = run_python("def boom(): raise ValueError('why')\nboom()", service.url, check=False)
    assert done.returncode == 1
    (line,) = service.lines
    assert line["level"] == "error"
    assert line["message"].startswith("Traceback (most recent call last):")
    assert line["message"].endswith("ValueError: why")
    assert "ValueError: why" in done.stderr, "as before"


def test_the_exception_that_ends_a_thread_is_logged(service, run_python):
    program = """
import threading
def boom(): raise KeyError("why")
thread = threading.Thread(target=boom, name="loader")
thread.start()
thread.join()
"""
    done = run_python(program, service.url)
    (line,) = service.lines
    assert line["message"].startswith("in thread loader: Traceback")
    assert "KeyError: 'why'" in done.stderr


def test_hooks_that_were_there_are_called_and_ours_can_be_left_out(service, run_python):
    program = """
sys.excepthook = lambda *error: print("their own", file=sys.stderr)
handler = JobLogHandler(7, url=url, spool_dir=spool{})
raise ValueError("why")
"""
    preface = "import sys\nfrom tunedeck_client import JobLogHandler\nurl, spool = sys.argv[1:]\n"
    done = run_python(program.format(""), service.url, preface=preface, check=False)
    assert (done.stderr, len(service.lines)) == ("their own\n", 1)
    done = run_python(program.format(", excepthook=False"), service.url, preface=preface, check=False)
    assert (done.stderr, len(service.lines)) == ("their own\n", 1)


def test_a_relative_spool_is_where_it_was_when_the_program_moves(free_port, start_service, run_python, tmp_path):
    program = """
os.makedirs("elsewhere")
own = JobLogHandler(7, url=url, spool_dir="spool", exit_timeout=0.1)
os.chdir("elsewhere")
log.addHandler(own)
log.removeHandler(handler)
log.info("kept")
"""
    url = f"http://127.0.0.1:{free_port}"
    done = run_python(program, url, cwd=tmp_path)
    assert f"kept in {tmp_path}/spool/job-7/" in done.stderr
    service = start_service(free_port)
    run_python("handler.flush()", url, spool=tmp_path / "spool")
    assert service.messages == ["kept"]


def test_without_a_home_the_spool_is_in_the_temporary_folder(service, run_python, tmp_path):
    program = """
import glob
os.environ.pop("XDG_STATE_HOME", None)
os.path.expanduser = lambda path: path
own = JobLogHandler(7, url=url)
assert not os.path.exists("~")
assert glob.glob(f"{os.environ['TMPDIR']}/tunedeck-*/*/job-7")
"""
    run_python(program, service.url, cwd=tmp_path, environ={"TMPDIR": str(tmp_path)})


NO_THREAD_IS_LEFT = """
import sys, threading
from tunedeck_client.pipe import main
code = main(exit_timeout=0.2)
assert threading.active_count() == 1, threading.enumerate()
sys.exit(code)
"""


def test_no_thread_outlives_the_command_while_a_request_hangs(service, start_pipe):
    """One inside of TLS crashed the interpreter at its end, two or three times in thirty."""
    service.always = "hang"
    pipe = start_pipe(service.url, command=("-c", NO_THREAD_IS_LEFT))
    _, err = pipe.communicate(b"one\n", timeout=60)
    assert pipe.returncode == 0, err


def test_a_handshake_that_hangs_does_not_crash_the_end(start_pipe):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pipe = start_pipe(
            f"https://127.0.0.1:{silent.getsockname()[1]}",
            command=("-c", "from tunedeck_client.pipe import main; main(exit_timeout=0.2)"),
        )
        _, err = pipe.communicate(b"one\n", timeout=60)
    assert pipe.returncode == 0, err
    assert b"1 line not sent yet" in err
