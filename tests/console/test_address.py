"""The address as state."""

import pytest

MODULE = "lib/address.js"


def test_it_works(evaluate):
    assert evaluate("route('/ui/jobs/7')") == {"module": "job", "section": "jobs", "params": {"id": "7"}}
    assert evaluate("readQuery('?status=failed&q=a%20b')") == {"status": "failed", "q": "a b"}
    assert evaluate("readLines('#L120-140')") == {"first": 120, "last": 140}


@pytest.mark.parametrize(
    "page", ["jobs", "models", "evaluations", "datasets", "compare", "login", "jobs/latest", "jobs/"]
)
def test_every_page_has_an_address(evaluate, page):
    assert evaluate("route(path)", path=f"/ui/{page}")["module"]


@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/jobs/0", "/ui/jobs/1x", "/ui/jobs/1/2", "/ui/models/latest", "/", "/ui/jobs/" + "9" * 20]
)
def test_other_addresses_have_none(evaluate, path):
    assert evaluate("route(path)", path=path) is None


@pytest.mark.parametrize(
    "query", [{"q": "a&b=c #?"}, {"q": "100 %"}, {"q": "日本語"}, {"q": "+"}, {"jobs": "5,6,7"}, {"ключ": "значение"}]
)
def test_a_query_reads_as_it_was_written(evaluate, query):
    assert evaluate("readQuery(writeQuery(query))", query=query) == query


def test_what_is_empty_is_not_written(evaluate):
    assert evaluate("writeQuery({a: '', b: null, c: undefined, d: false})") == ""
    assert evaluate("writeQuery({jobs: '5,6', page: 2})") == "?jobs=5,6&page=2"
    assert evaluate("writeQuery({metrics: ['loss', 'lr']})") == "?metrics=loss&metrics=lr"


@pytest.mark.parametrize("text", ["?q=%", "?q=%ff", "?%=1", "?&&=&a"])
def test_a_broken_query_is_read_as_far_as_it_goes(evaluate, text):
    assert isinstance(evaluate("readQuery(text)", text=text), dict)


def test_a_query_cannot_reach_the_prototype(evaluate):
    assert evaluate("(readQuery('?__proto__=x&constructor=y'), ({}).x)") is None


@pytest.mark.parametrize(
    ("fragment", "lines"),
    [
        ("#L7", {"first": 7, "last": 7}),
        ("#L9-L3", {"first": 3, "last": 9}),
        ("#L0", None),
        ("#L", None),
        ("#main", None),
        ("#L1-2-3", None),
        ("#L" + "9" * 30, None),
    ],
)
def test_lines_of_a_fragment(evaluate, fragment, lines):
    assert evaluate("readLines(fragment)", fragment=fragment) == lines


def test_lines_are_written_as_they_are_read(evaluate):
    assert (
        evaluate("writeLines({first: 3, last: 3}) + writeLines({first: 3, last: 9}) + writeLines(null)") == "#L3#L3-9"
    )


def test_numbers_of_a_list(evaluate):
    assert evaluate("readNumbers('5,6, 7,6,x,0,-1,1e3', 3)") == [5, 6, 7]
    assert evaluate("readNumbers(undefined, 3)") == []
