"""How the databases look up a list of models: in one index alone, whatever the filters"""

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from peewee import SQL, fn

from services.models.records import models
from services.models.tables import MIGRATIONS, Model
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate
from shared.timestamps import to_micros
from tests.support.many_models import fill_models

COUNT = 20_000
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {"job_id": 77, "base_model": "base-7", "type": "lora", "status": "ready"}
"""The most telling filter first: that one's index is searched, and what else is asked for is compared within it."""

FILTERS = [names for size in range(5) for names in combinations(VALUES, size)]
DATES = {"date_from": FIRST + timedelta(hours=1), "date_to": FIRST + timedelta(hours=2)}


@pytest.fixture(scope="module")
def filled(new_database, database_kind):
    url = new_database(database_kind)
    opened = open_database(url)
    migrate(opened, MIGRATIONS)
    with connection(opened):
        fill_models(opened, COUNT, FIRST)
        if database_kind == "postgresql":
            opened.execute_sql("VACUUM ANALYZE model")  # as its own autovacuum does
    opened.close_all()
    return url


@pytest.mark.parametrize("dates", [{}, DATES], ids=["always", "between"])
@pytest.mark.parametrize("names", FILTERS, ids="+".join)
def test_pages_and_counts_read_one_index_and_nothing_else(filled, database_kind, tables, names, dates):
    with tables(filled) as database:
        query = models.matching_ids(**{name: VALUES[name] for name in names}, **dates)
        queries = query.offset(10).limit(10), query.order_by().select(fn.COUNT(SQL("*")))
        explain = "EXPLAIN QUERY PLAN" if database_kind == "sqlite" else "EXPLAIN (COSTS OFF)"
        plans = [rows_of(database, explain, query) for query in queries]
    for rows in plans:
        steps = "\n".join(rows)
        if database_kind == "sqlite":
            assert len(rows) == 1, steps
            assert "USING COVERING INDEX" in steps
            assert steps.startswith("SEARCH" if names or dates else "SCAN")
            assert any(index in steps for index in searched(names)), steps
        else:
            assert "Index Only Scan" in steps
            assert not any(step in steps for step in ("Seq Scan", "Sort", "Bitmap")), steps


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["name", "total_size"])
def test_a_sorted_page_reads_its_index_and_nothing_else(filled, database_kind, tables, sort, order):
    with tables(filled) as database:
        query = models.matching_ids(sort=sort, order=order).offset(10).limit(10)
        explain = "EXPLAIN QUERY PLAN" if database_kind == "sqlite" else "EXPLAIN (COSTS OFF)"
        steps = "\n".join(rows_of(database, explain, query))
    assert f"model_{sort}_id" in steps
    assert "TEMP B-TREE" not in steps
    assert not any(step in steps for step in ("Seq Scan", "Sort", "Bitmap")), steps


def rows_of(database, explain, query):
    sql, values = query.sql()
    return [str(row[-1]) for row in database.execute_sql(f"{explain} {sql}", values).fetchall()]


def searched(names):
    """The indexes of which one is to be searched: of the filter that tells most, or to count all rows the smallest."""
    if not names:
        return "model_created_at_id", "model_total_size_id"
    return f"model_by_{names[0]} ", f"model_count_{names[0]} "


def test_a_page_has_its_rows_in_order(filled, tables):
    with tables(filled):
        found = models.list_models(page=3, limit=7, type="lora", status="ready")
        wanted = (
            Model.select(Model.id)
            .where(Model.type == "lora", Model.status == "ready")
            .order_by(Model.created_at.desc(), Model.id.desc())
        )
        ids = [row.id for row in wanted]
    assert ([row.id for row in found.data], found.total) == (ids[14:21], len(ids))
    assert to_micros(found.data[0].created_at) > to_micros(found.data[-1].created_at)
