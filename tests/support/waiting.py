"""Waiting for what happens by itself."""

import time


def wait_until(happens, within_s=30):
    """Wait until ``happens()`` is true, and return what it answered; AssertionError after ``within_s`` seconds."""
    deadline, pause = time.monotonic() + within_s, 0.01
    while not (answer := happens()):
        assert time.monotonic() < deadline, f"it did not happen within {within_s} s"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    return answer
