"""What is JSON, what cannot be stored, and which field is to blame."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadRequest, ServiceError, Unprocessable
from shared.http import strict_json

TEXTS = st.text(max_size=10)  # surrogates among them
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
BODIES = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    st.binary(max_size=20),
    st.text('{}[]",:0123456789.eE+-\\u tfn', max_size=18).map(str.encode),
)


def refuse(name):
    raise ValueError(name)


REFERENCE = json.JSONDecoder(parse_constant=refuse)


def verdict(body):
    """What becomes of a body: its value, or the error's class and the fields that it names."""
    try:
        return strict_json.loads(body)
    except ServiceError as error:
        return type(error), list(error.errors or ())


def expected(body):
    """The same by the standard library's decoder, and a walk of its own."""
    try:
        value = REFERENCE.decode(body.decode())
    except (ValueError, RecursionError):
        return BadRequest, []
    if has_infinity(value):
        return BadRequest, []
    return value


def has_infinity(value):
    if isinstance(value, float):
        return math.isinf(value)
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_infinity, members))


def is_storable(value):
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(is_storable(item) for pair in value.items() for item in pair)
    return not isinstance(value, list) or all(map(is_storable, value))


@given(BODIES)
@settings(max_examples=500, deadline=None, database=None)
def test_it_agrees_with_the_standard_library(body):
    wanted = expected(body)
    if wanted == (BadRequest, []) or is_storable(wanted):
        assert verdict(body) == wanted
    else:
        assert verdict(body)[0] is Unprocessable


@pytest.mark.parametrize("odd", ["NaN", "1e999", "[" * 5_000 + "]" * 5_000, "\ufeff1", "01", "", "-Infinity"])
def test_it_rejects_what_is_no_json(odd):
    assert verdict(odd.encode()) == (BadRequest, [])


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\uDC00", "\\ud800\\ud800", "\\ud800x", "\\udc00\\ud800"])
def test_it_names_the_field_that_cannot_be_stored(escape):
    assert verdict(b'{"a": [1, {"b": "x%s"}]}' % escape.encode()) == (Unprocessable, ["a.1.b"])
    assert verdict(b'{"a": {"%s": 1}}' % escape.encode()) == (Unprocessable, ["a"])


def test_an_escaped_backslash_is_no_surrogate():
    assert strict_json.loads(rb'["\\ud800", "\ud83d\ude00"]') == ["\\ud800", "\U0001f600"]
    assert verdict(rb'{"a": "\\ud800", "b": "\ud800"}') == (Unprocessable, ["b"])


def test_a_long_integer_is_a_float():
    assert math.isclose(strict_json.loads(b"1" + b"0" * 30), 1e30)
    assert type(strict_json.loads(b"18446744073709551615")) is int


def test_lines_are_numbered_in_errors():
    with pytest.raises(BadRequest, match="^Line 3: The body is not JSON"):
        strict_json.loads_lines(b'{"a": 1}\n\n{"a": }\n', 10)
    with pytest.raises(BadRequest, match="^Line 2: The body is not JSON: str is not valid UTF-8"):
        strict_json.loads_lines(b'1\n"\xff"', 10)


def test_lines_may_end_and_be_blank_in_any_way():
    assert strict_json.loads_lines(b"\n 1 \r\n\t\n2\r\n3", 10) == [1, 2, 3]
    assert strict_json.loads_lines(b"1\n2\n3\nnot read", 2) == [1, 2, 3]


def test_python_s_own_json_is_taken_where_it_is_allowed():
    value = strict_json.loads_non_finite(b'{"a": [NaN, Infinity, -Infinity], "b": 1%s, "c": 7}' % (b"0" * 500))
    assert math.isnan(value["a"][0])
    assert (value["a"][1:], value["b"], value["c"]) == ([math.inf, -math.inf], math.inf, 7)
    for body, error in ((b'{"a": NaN', BadRequest), (b"[" * 100_000 + b"NaN", BadRequest), (b"nan", BadRequest)):
        with pytest.raises(error):
            strict_json.loads_non_finite(body)
    for text in (b"\\u0000", b"\\ud800", b"\xed\xa0\x80"):
        with pytest.raises(Unprocessable):
            strict_json.loads_non_finite(b'{"a": NaN, "b": "%s"}' % text)
