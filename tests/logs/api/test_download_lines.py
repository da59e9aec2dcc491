"""GET /api/v1/jobs/:id/logs/download, and the log's own address where Accept wants text"""

import pytest

from tests.support.databases import one_database


@pytest.fixture
def text(logs):
    def text(job, query=""):
        answer = logs.get(f"/api/v1/jobs/{job}/logs/download{query}")
        assert answer.status_code == 200, answer.text
        return answer.content.decode()

    return text


def test_it_works(logs, job, push):
    push(
        job,
        {"message": "Starting training job", "timestamp": "2026-02-19T10:30:45Z"},
        {"message": "a\r\nb\n\nc\rd", "level": "error", "source": "worker", "timestamp": "2026-02-19T10:30:45.5Z"},
    )

    answer = logs.get(f"/api/v1/jobs/{job}/logs/download")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="job-{job}.log"'
    assert answer.text == (
        "2026-02-19T10:30:45.000000Z [INFO] kernel: Starting training job\n"
        "2026-02-19T10:30:45.500000Z [ERROR] worker: a\n    b\n    \n    c\n    d\n"
    )


def test_a_browser_saves_it_or_shows_it(logs, job, push):
    push(job, "<script>alert(1)</script>")
    shown = logs.get(f"/api/v1/jobs/{job}/logs/download?inline=true")
    assert shown.headers["Content-Disposition"] == f'inline; filename="job-{job}.log"'
    assert shown.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "<script>alert(1)</script>" in shown.text
    assert logs.get(f"/api/v1/jobs/{job}/logs/download?inline=maybe").status_code == 422


def test_a_line_has_as_many_lines_as_it_looks(job, push, text):
    push(job, "a\u2028b\x0cc\x85d\x0be", "2026-01-01T00:00:00.000000Z [ERROR] kernel: forged")

    assert text(job).count("\n") == 2


def test_an_empty_log(job, text):
    assert text(job) == ""


def test_a_running_job_gives_the_log_so_far(put, job, push, text):
    put(job, status="running", kernel="k")
    push(job, "x")

    assert text(job).endswith("kernel: x\n")


def test_all_of_a_long_log_comes_in_order(job, push, text):
    for first in range(0, 60_000, 10_000):
        push(job, *map(str, range(first, first + 10_000)))

    assert [line.rpartition(" ")[2] for line in text(job).splitlines()] == [str(number) for number in range(60_000)]


def test_longest_lines_come_whole(job, push, text):
    for _ in range(4):
        push(job, *["€" * (256 * 1024 // 3)] * 5)

    lines = text(job).splitlines()

    assert {line.partition(": ")[2] for line in lines} == {"€" * (256 * 1024 // 3)}
    assert len(lines) == 20


def test_it_filters(job, push, text):
    push(job, {"message": "a loss", "level": "error"}, {"message": "b", "source": "s"}, "c loss")

    assert text(job, "?q=LOSS&level=warn").endswith("[ERROR] kernel: a loss\n")
    assert text(job, "?source=s").endswith("s: b\n")
    assert text(job, "?q=nothing") == ""


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/plain", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("text/plain, */*;q=0.1", "text/plain"),
        ("text/plain, application/json;q=0.9", "text/plain"),
        ("application/json, text/plain, */*", "application/json"),  # axios
        ("text/plain, application/json", "application/json"),
        ("text/plain;q=0.5, text/event-stream", "text/event-stream"),
        ("text/plain, */*", "text/plain"),
        ("*/*, application/json", "application/json"),
        ("text/*, application/json;q=0.5", "text/event-stream"),
        ("*/*", "text/event-stream"),
    ],
)
def test_accept_may_want_it(logs, put, job, push, accept, expected):
    push(job, "x")
    put(job, status="failed")

    with logs.get(f"/api/v1/jobs/{job}/logs", headers={"Accept": accept}, stream=True) as answer:
        assert answer.headers["Content-Type"].partition(";")[0] == expected
        assert answer.headers["Vary"] == "Accept"


def test_it_answers_head(logs, job, push):
    push(job, "x")

    head = logs.head(f"/api/v1/jobs/{job}/logs/download")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Disposition"] == f'attachment; filename="job-{job}.log"'


def test_a_deleted_log_is_gone(logs, job, push):
    push(job, "secret")
    logs.delete(f"/api/v1/jobs/{job}/logs")

    assert logs.get(f"/api/v1/jobs/{job}/logs/download").status_code == 410


@one_database
def test_it_rejects_what_it_does_not_know(logs, job):
    assert logs.get("/api/v1/jobs/99999999/logs/download").status_code == 404
    answer = logs.get(f"/api/v1/jobs/{job}/logs/download?level=loud")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["level"])
