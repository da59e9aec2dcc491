"""Rows in bulk, rows up to a budget, one row or a 404, pages"""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.database.connect import connection
from shared.database.pagination import paginate
from shared.database.queries import get_or_404, tuples
from shared.errors import NotFound
from tests.support.databases import only_on


@pytest.fixture(autouse=True)
def connected(opened, item):
    with connection(opened):
        yield


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 350])
def test_many_rows_are_inserted_in_their_order(opened, item, count):
    texts = [f"text {number}\t\\N é" for number in range(count)]
    with opened.atomic():
        opened.insert_rows(item, ("text",), [(text,) for text in texts])
    assert [text for (text,) in tuples(item.select(item.text).order_by(item.id))] == texts


@pytest.mark.parametrize(
    ("sizes", "budget", "read", "cut"),
    [
        ([3, 3, 3], 100, 3, False),
        ([3, 3, 3], 6, 2, True),
        ([3, 3, 3], 7, 3, True),
        ([3, 3, 3], 9, 3, True),
        ([100], 1, 1, True),
        ([1] * 55, 41, 41, True),
        ([1] * 55, 56, 55, False),
        ([], 5, 0, False),
    ],
)
@pytest.mark.parametrize("descending", [False, True])
def test_rows_are_read_up_to_a_budget(opened, item, sizes, budget, read, cut, descending):
    with opened.atomic():
        opened.insert_rows(item, ("text",), [("x" * size,) for size in sizes])
    order = (item.id.desc(),) if descending else (item.id,)
    rows, was_cut = opened.rows_within(item.select(item.id, item.text), order, item.text, budget)
    expected = list(tuples(item.select(item.id, item.text).order_by(*order)))[:read]
    assert ([tuple(row) for row in rows], was_cut) == (expected, cut)


@pytest.mark.parametrize("count", [2, 250])
def test_rows_that_are_there_are_updated(opened, item, count):
    """Also one that comes twice: the last one counts."""
    with opened.atomic():
        opened.insert_rows(item, ("id", "text"), [(number, "old") for number in range(1, count)])
        rows = [(number, f"new {number}") for number in range(1, count + 1)]
        conflict = "ON CONFLICT (id) DO UPDATE SET text = excluded.text"
        opened.insert_rows(item, ("id", "text"), [(1, "between"), *rows], conflict)
    found = list(tuples(item.select(item.id, item.text).order_by(item.id)))
    assert [tuple(row) for row in found] == rows


def test_statements_that_are_sent_together_are_known_at_the_end(opened, item):
    made = item.create(text="a")
    with opened.atomic():
        with opened.pipelined():
            changed = opened.execute_sql(f"UPDATE item SET text = {opened.param}", ("b",))
            missed = opened.execute_sql(f"UPDATE item SET text = {opened.param} WHERE id = -1", ("c",))
            opened.insert_rows(item, ("id", "text"), [(made.id, "d")], "ON CONFLICT (id) DO UPDATE SET text = 'e'")
        assert (changed.rowcount, missed.rowcount) == (1, 0)
    assert [text for (text,) in tuples(item.select(item.text))] == ["e"]


def test_one_row_or_a_404(item):
    made = item.create(text="a")
    assert get_or_404(item.select().where(item.id == made.id), "item").text == "a"
    with pytest.raises(NotFound, match="^There is no item 7\\.$"):
        get_or_404(item.select().where(item.text == "b"), "item 7")


def test_pages(item):
    for number in range(25):
        item.create(text=str(number))
    query = item.select().order_by(item.id)
    pages = [paginate(query, page, 10) for page in (1, 3, 4, 2**62)]
    assert [len(page.data) for page in pages] == [10, 5, 0, 0]
    assert {page.total for page in pages} == {25}
    assert [row.text for row in pages[1].data] == ["20", "21", "22", "23", "24"]


@only_on("postgresql")
def test_rows_that_another_transaction_holds_are_passed_over(opened, item):
    first, second = item.create(text="first"), item.create(text="second")
    found = []

    def claim():
        with connection(opened), opened.atomic():
            found.extend(row.id for row in opened.lock_rows(item.select().order_by(item.id), skip_locked=True))

    with opened.atomic():
        opened.lock_rows(item.select().where(item.id == first.id)).get()
        other = threading.Thread(target=claim)
        other.start()
        other.join()
    assert found == [second.id]


@pytest.mark.parametrize(
    "at",
    [
        datetime(2024, 2, 19, 10, 30, 45, 123456, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        datetime(2024, 2, 19, tzinfo=timezone(timedelta(hours=-7))),
        None,
    ],
)
def test_a_time_is_kept_to_the_microsecond(item, at):
    assert item.get_by_id(item.create(at=at).id).at == at


@pytest.mark.parametrize("value", [{"z": 1, "a": [None, True, 1.5, "é"]}, [], "text", 0, None])
def test_json_keeps_the_order_of_its_keys(item, value):
    kept = item.get_by_id(item.create(value=value).id).value
    assert kept == value
    assert not isinstance(value, dict) or list(kept) == list(value)
