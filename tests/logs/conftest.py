"""Jobs to test with, and a reader of raw streams."""

from contextlib import closing

import pytest

JOBS = "/api/v1/jobs"


@pytest.fixture
def new_job(logs):
    """Create a job and return its number."""

    def new_job(**fields):
        answer = logs.post(JOBS, json={"dataset_id": 1} | fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["ID"]

    return new_job


@pytest.fixture
def job(new_job):
    return new_job()


@pytest.fixture
def put(logs):
    """PUT a job's fields and return the answer."""

    def put(job, **fields):
        return logs.put(f"{JOBS}/{job}", json=fields)

    return put


@pytest.fixture
def push(logs):
    """Store lines, each a message or a whole line, and return the answer of the batch."""

    def push(job, *lines):
        body = {"logs": [line if isinstance(line, dict) else {"message": line} for line in lines]}
        answer = logs.post(f"{JOBS}/{job}/logs", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return push


@pytest.fixture
def open_stream(logs):
    """Open the stream of a job; its response is closed with the test."""
    opened = []

    def open_stream(job, query="", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = logs.get(f"{JOBS}/{job}/logs{query}", headers=names, stream=True)
        opened.append(answer)
        return answer

    yield open_stream
    for answer in opened:
        answer.close()


@pytest.fixture
def read_stream(open_stream):
    """Return the bytes of a job's stream: all of them, or up to and with ``until``, where the client hangs up."""

    def read_stream(job, query="", until=None, **headers):
        read = b""
        with closing(open_stream(job, query, **headers)) as answer:
            assert answer.status_code == 200, answer.text
            for part in answer.iter_content(None):
                read += part
                if until is not None and until in read:
                    return read[: read.index(until) + len(until)]
        assert until is None, read
        return read

    return read_stream
