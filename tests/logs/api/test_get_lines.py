"""GET /api/v1/jobs/:id/logs as JSON"""

import pytest

from tests.support.databases import one_database


@pytest.fixture
def lines(logs):
    """GET a page and return its answer's body."""

    def lines(job, **params):
        answer = logs.get(f"/api/v1/jobs/{job}/logs", params=params, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return lines


def ids(page):
    assert page["count"] == len(page["logs"])
    return [line["ID"] for line in page["logs"]]


def test_it_works(logs, job, push):
    push(
        job,
        {"message": "Starting training job", "source": "worker", "timestamp": "2024-02-19T10:30:45Z"},
        {"level": "warning", "message": "", "timestamp": "2024-02-19T12:30:45.5+02:00"},
    )

    answer = logs.get(f"/api/v1/jobs/{job}/logs?limit=50")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Vary"] == "Accept"
    assert answer.json() == {
        "job_id": job,
        "logs": [
            {
                "ID": 1,
                "job_id": job,
                "level": "info",
                "message": "Starting training job",
                "source": "worker",
                "timestamp": "2024-02-19T10:30:45Z",
            },
            {
                "ID": 2,
                "job_id": job,
                "level": "warn",
                "message": "",
                "source": "kernel",
                "timestamp": "2024-02-19T10:30:45.500000Z",
            },
        ],
        "count": 2,
        "has_more": False,
        "next_after": 2,
    }


def test_a_job_without_lines(job, lines):
    assert lines(job) == {"job_id": job, "logs": [], "count": 0, "has_more": False, "next_after": 0}
    assert lines(job, order="desc") == {"job_id": job, "logs": [], "count": 0, "has_more": False, "next_before": 1}


def test_it_pages_forward_and_back(job, push, lines):
    push(job, *map(str, range(1, 11)))

    seen, after = [], 0
    while True:
        page = lines(job, limit=4, after=after)
        seen.append(ids(page))
        after = page["next_after"]
        if not page["has_more"]:
            break
    assert seen == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]

    seen, before = [], 2**63 - 1
    while True:
        page = lines(job, limit=5, before=before, order="desc")
        seen.append(ids(page))
        before = page["next_before"]
        if not page["has_more"]:
            break
    assert seen == [[10, 9, 8, 7, 6], [5, 4, 3, 2, 1]]


@pytest.mark.parametrize(
    ("params", "found", "has_more", "cursor"),
    [
        ({"after": 8}, [9, 10], False, 10),
        ({"after": 10}, [], False, 10),
        ({"after": 99}, [], False, 99),
        ({"after": 2**63 - 1}, [], False, 2**63 - 1),
        ({"before": 3}, [1, 2], False, 2),
        ({"before": 1}, [], False, 0),
        ({"before": 2**63 - 1, "after": 9}, [10], False, 10),
        ({"after": 3, "before": 6}, [4, 5], False, 5),
        ({"after": 3, "before": 4}, [], False, 3),
        ({"after": 6, "before": 3}, [], False, 6),
        ({"after": 2, "before": 9, "limit": 3}, [3, 4, 5], True, 5),
        ({"limit": 10}, list(range(1, 11)), False, 10),
        ({"limit": 9}, list(range(1, 10)), True, 9),
        ({"order": "desc", "limit": 3}, [10, 9, 8], True, 8),
        ({"order": "desc", "before": 8, "after": 4}, [7, 6, 5], False, 5),
        ({"order": "desc", "before": 3, "after": 6}, [], False, 3),
        ({"order": "desc", "limit": 2, "before": 3}, [2, 1], False, 1),
    ],
)
def test_its_bounds_are_exclusive(job, push, lines, params, found, has_more, cursor):
    push(job, *map(str, range(1, 11)))

    page = lines(job, **params)

    assert (ids(page), page["has_more"]) == (found, has_more)
    assert page["next_before" if params.get("order") == "desc" else "next_after"] == cursor


def test_it_filters(job, push, lines):
    levels = ["debug", "info", "warn", "error"]
    push(job, *({"message": level, "level": level, "source": source} for source in ("a", "b") for level in levels))

    assert ids(lines(job, level="debug")) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert ids(lines(job, level="WARNING")) == [3, 4, 7, 8]
    assert ids(lines(job, level="fatal", source="b")) == [8]
    assert ids(lines(job, source="a", order="desc")) == [4, 3, 2, 1]
    assert ids(lines(job, source="A")) == ids(lines(job, source="kernel")) == []
    page = lines(job, level="error", limit=1)
    assert (ids(page), page["has_more"], page["next_after"]) == ([4], True, 4)
    page = lines(job, level="error", limit=1, after=4)
    assert (ids(page), page["has_more"], page["next_after"]) == ([8], False, 8)


def test_it_searches(job, push, lines):
    push(job, "Loss 0.5", {"message": "no LOSS", "level": "error"}, "GRÖSSE", "100%", "a_b", "axb", "plain\n2nd loss")

    assert ids(lines(job, q="loss")) == [1, 2, 7]
    assert ids(lines(job, q="LOSS", level="warn")) == [2]
    assert ids(lines(job, q="größe")) == [3]
    assert ids(lines(job, q="%")) == [4]
    assert ids(lines(job, q="a_b")) == [5]
    assert ids(lines(job, q="loss", order="desc")) == [7, 2, 1]
    page = lines(job, q="loss", limit=1)
    assert (ids(page), page["has_more"], page["next_after"]) == ([1], True, 1)
    page = lines(job, q="loss", limit=2, after=1)
    assert (ids(page), page["has_more"], page["next_after"]) == ([2, 7], False, 7)
    assert ids(lines(job, q="' OR 1=1 --")) == ids(lines(job, q="\\")) == []


def test_a_search_through_longest_lines_is_bounded(job, push, lines):
    for _ in range(8):
        push(job, *["a" * 256 * 1024] * 20)
    push(job, "found")

    pages = [lines(job, q="a" * 254 + "b")]
    while pages[-1]["has_more"]:
        pages.append(lines(job, q="found", after=pages[-1]["next_after"]))

    assert len(pages) > 1
    assert [ids(page) for page in pages] == [[]] * (len(pages) - 1) + [[161]]


def test_a_page_of_long_lines_that_are_found_is_bounded(job, push, lines):
    for _ in range(4):
        push(job, *["a" * 256 * 1024] * 5)

    page = lines(job, q="aa", limit=1000)

    assert ids(page) == [1, 2, 3, 4]
    assert page["next_after"] == 4


def test_a_filtered_search_is_bounded(job, push, lines):
    for _ in range(6):
        push(job, *["-"] * 9_999, "-")
    push(job, {"message": "found", "level": "error"})

    page = lines(job, level="error")
    assert (ids(page), page["has_more"], page["next_after"]) == ([], True, 50_000)
    page = lines(job, level="error", after=page["next_after"])
    assert (ids(page), page["has_more"], page["next_after"]) == ([60_001], False, 60_001)
    page = lines(job, source="nobody", order="desc")
    assert (ids(page), page["has_more"], page["next_before"]) == ([], True, 10_002)
    page = lines(job, source="nobody", order="desc", before=page["next_before"])
    assert (ids(page), page["has_more"], page["next_before"]) == ([], False, 1)


@pytest.mark.parametrize(("character", "order", "level"), [("x", "asc", "debug"), ("€", "desc", "info")])
def test_a_page_of_long_lines_is_bounded(job, push, lines, character, order, level):
    count, longest = 30, character * (256 * 1024 // len(character.encode()))
    for _ in range(0, count, 5):
        push(job, *[longest] * 5)

    pages = [lines(job, limit=1000, order=order, level=level)]
    while pages[-1]["has_more"]:
        cursor = {"after": pages[-1]["next_after"]} if order == "asc" else {"before": pages[-1]["next_before"]}
        pages.append(lines(job, limit=1000, order=order, level=level, **cursor))

    found = [line_id for page in pages for line_id in ids(page)]
    assert found == list(range(1, count + 1))[:: 1 if order == "asc" else -1]
    assert 3 <= len(pages) <= 10
    assert all(line["message"] == longest for page in pages for line in page["logs"])


def test_it_answers_head(logs, job, push):
    push(job, "x")

    got, head = logs.get(f"/api/v1/jobs/{job}/logs?limit=1"), logs.head(f"/api/v1/jobs/{job}/logs?limit=1")

    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Vary"):
        assert head.headers[name] == got.headers[name]


@one_database
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "x"),
        ("limit", ""),
        ("limit", "1e2"),
        ("limit", "٣"),
        ("limit", "-5"),
        ("after", "-1"),
        ("after", "9223372036854775808"),
        ("after", "1" * 99),
        ("before", "0"),
        ("before", " 1"),
        ("order", "down"),
        ("level", "loud"),
        ("level", ""),
        ("source", ""),
        ("source", "a\0"),
        ("source", "x" * 256),
        ("q", ""),
        ("q", "a\0"),
        ("q", "x" * 256),
        ("tail", "-1"),
        ("tail", "x"),
        ("format", "xml"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_it_rejects_a_bad_parameter(logs, job, name, value, accept):
    answer = logs.get(f"/api/v1/jobs/{job}/logs", params={name: value}, headers={"Accept": accept})

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [name]
    assert answer.json()["message"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    "query", ["%ff", "source=%ff", "source=%ed%a0%80", "&&=&", "limit=5&limit=6", f"a={'x' * 7000}"]
)
def test_it_takes_any_query(logs, job, query):
    answer = logs.get(f"/api/v1/jobs/{job}/logs?{query}", headers={"Accept": "application/json"})

    assert answer.status_code in (200, 422)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "*/*"])
def test_it_rejects_a_parameter_that_comes_twice(logs, job, accept):
    for query in ("limit=5&limit=6", "level=info&level=info", "last_event_id=1&last_event_id=1"):
        answer = logs.get(f"/api/v1/jobs/{job}/logs?{query}", headers={"Accept": accept})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.partition("=")[0]])


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "*/*"])
def test_it_rejects_an_unknown_job(logs, accept):
    answer = logs.get(f"/api/v1/jobs/{2**62}/logs", headers={"Accept": accept})

    assert answer.status_code == 404
    assert answer.json()["message"] == f"There is no job {2**62}."
