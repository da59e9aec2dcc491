"""The levels of lines in the formats of the usual loggers, and tracebacks that stay together."""

import pytest
from tunedeck_client.lines.levels import TracebackJoiner, level_of_number, level_of_text

ERRORS = [
    "[ERROR] x",
    "ERROR - x",
    "CRITICAL:root:x",
    "ERROR",
    "[ERROR]: x",
    "(ERROR) x",
    "<ERROR> x",
    "[FATAL] x",
    "2026-02-19 10:30:45,123 ERROR trainer: x",
    "2026-02-19 10:30:45,123 - trainer - ERROR - x",
    "2026-02-19 10:30:45.123 | ERROR    | __main__:f:3 - x",
    "2026-02-19T10:30:45Z ERROR x",
    "2026-02-19 10:30:45 [error    ] msg  key=val",
    "[2026-02-19 10:30:45,123] [ERROR] [launch.py:12:main] x",
    "[2026-02-19 10:30:45,123][trainer][ERROR] - x",
    "[10:30:45] ERROR    x     file.py:12",
    "[ERROR|trainer.py:12] 2026-02-19 10:30:45,123 >> x",
    "ERROR 11-25 10:30:45 [engine.py:3] x",
    "(EngineCore pid=12) ERROR 11-25 10:30:45 [core.py:3] x",
    "Feb 19 10:30:45 host app[123]: ERROR x",
    "[rank1]: Traceback (most recent call last):",
    "Traceback (most recent call last):",
    "E1125 10:30:45.123456 1 a.py:1] x",
    '{"level": "error", "msg": "x"}',
    "level=error msg=x",
    "trainer.py:12 - ERROR - x",
    "error: invalid argument",
    "error[E0382]: borrow of moved value",
    "fatal: not a git repository",
    "\x1b[31mERROR\x1b[0m: x",
    "\x1b[2m10:30:45\x1b[0m \x1b[31m\x1b[1mERROR\x1b[0m x",
]
WARNINGS = [
    "WARNING: x",
    "WARN: x",
    "WARNING:absl:x",
    "10:30:45 WARNING x",
    "2026-02-19 10:30:45,123 - WARNING - trainer - x",
    "2026-02-19 10:30:45.123 | WARNING  | __main__:f:3 - x",
    "2026-02-19T10:30:45.123Z  WARN crate::mod: x",
    "[WARNING|trainer.py:12] 2026-02-19 10:30:45,123 >> x",
    "[rank0]:[W1125 10:30:45.123456789 ProcessGroupNCCL.cpp:1496] Warning: x",
    "W1125 10:30:45.123456 140000 file.cc:12] x",
    '{"levelname": "WARNING", "message": "ERROR"}',
    'time=2026-02-19 level=warn msg="x"',
    "/x/y/file.py:12: UserWarning: x",
    "warning: unused variable",
    "\x1b[1;33m[WARNING]\x1b[0m x",
]
DEBUGS = ["DEBUG | x", "DEBUG:tensorflow:x", "[debug] x", "10:30:45 TRACE x"]
NONE = [
    "ERROR rate 0.1",
    "ERRORS: 3",
    "an ERROR: x",
    "No ERROR found",
    "mean error 0.3",
    "train error: 0.12",
    "error: 0.12",
    "step 10 ERROR rate 0.5",
    "loss: 0.3, ERROR: 0",
    "0 errors, 2 warnings",
    "epoch 3 - ERROR ANALYSIS done",
    "accuracy WARNING: 3",
    'INFO:     127.0.0.1:5 - "GET / HTTP/1.1" 500',
    "[INFO] [ERROR] x",
    "[INFO|trainer.py:2134] 2026-02-19 10:30:45,123 >> ***** ERROR *****",
    "2026-02-19 10:30:45 [info     ] error  key=val",
    "2026-02-19 10:30:45 INFO Epoch: ERROR",
    '{"msg": "level error"}',
    '{"level": 50}',
    '{"level": "error"',
    "{'loss': 0.3, 'level': 'ERROR'}",
    "x" * 100 + " [ERROR] x",
    "I1125 10:30:45 x",
    "SUCCESS | x",
    "",
]


@pytest.mark.parametrize(
    ("line", "level"),
    [(line, "error") for line in ERRORS]
    + [(line, "warn") for line in WARNINGS]
    + [(line, "debug") for line in DEBUGS]
    + [(line, "info") for line in NONE],
)
def test_it_finds_a_levels_word_and_no_other(line, level):
    assert level_of_text(line, "info") == level


def test_a_line_without_a_level_has_the_default():
    assert level_of_text("epoch 1", "debug") == "debug"


@pytest.mark.parametrize(
    ("number", "level"),
    [(5, "debug"), (10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (35, "warn"), (40, "error"), (99, "error")],
)
def test_it_maps_a_level_to_the_nearest_below(number, level):
    assert level_of_number(number) == level


def join(text, joiner=None):
    joiner = joiner or TracebackJoiner()
    return [whole for line in text.split("\n") for whole in joiner.feed(line, 0.0)] + joiner.end()


PLAIN = """Traceback (most recent call last):
  File "train.py", line 1, in <module>
    boom()
    ~~~~^^
ValueError: x"""
CHAINED = f"""{PLAIN}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "train.py", line 2, in <module>
RuntimeError: y"""
GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "train.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: x
    +------------------------------------"""


@pytest.mark.parametrize("whole", [PLAIN, CHAINED, GROUP])
def test_a_traceback_is_one_line(whole):
    assert join(f"before\n{whole}\nafter") == ["before", whole, "after"]
    assert join(whole) == [whole]


def test_a_blank_line_after_it_is_a_line():
    assert join(f"{PLAIN}\n\nafter") == [PLAIN, "", "after"]


def test_a_ranks_traceback_takes_no_line_of_another_rank():
    theirs = "\n".join(f"[rank1]: {line}" for line in PLAIN.split("\n"))
    assert join(f"{theirs}\n[rank0]: step 2") == [theirs, "[rank0]: step 2"]


def test_one_that_is_cut_off_goes_out_after_a_moment():
    joiner = TracebackJoiner()
    first = PLAIN.split("\n")[0]
    assert joiner.feed(first, 0.0) == []
    assert joiner.due(0.5) == []
    assert joiner.due(joiner.due_in(0.0)) == [first]
    assert joiner.due_in(2.0) is None


def test_one_without_an_end_is_cut():
    joiner = TracebackJoiner()
    joined = join("Traceback (most recent call last):\n" + "  deeper\n" * 5_000 + "end", joiner)
    assert sum(len(lines.split("\n")) for lines in joined) == 5_002
    assert max(len(lines.split("\n")) for lines in joined) <= 1_000
