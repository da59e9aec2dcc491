"""Bodies of a million fields: what is wrong is told of in short, and others have their turn meanwhile."""

from __future__ import annotations

import gevent
import marshmallow as ma
import pytest
from marshmallow import validate

from shared.errors import Unprocessable
from shared.http.fields import Items, unprocessable
from shared.http.schemas import BodySchema, UpdateSchema, only_changes


class _Item(BodySchema):
    name = ma.fields.String(required=True)


class _Body(BodySchema):
    items = Items(ma.fields.Nested(_Item), validate=validate.Length(1, 200_000))


class _Update(UpdateSchema):
    name = ma.fields.String()


def problems(body: object) -> dict[str, list[str]]:
    with pytest.raises(ma.ValidationError) as caught:
        _Body().load(body)  # type: ignore[arg-type]
    errors = unprocessable(caught.value.messages).errors
    assert errors is not None
    return errors


def test_it_works() -> None:
    body = {"items": [{"name": "a"}, {"name": "b"}]}

    assert _Body().load(body) == body
    assert problems({"items": [{"name": "a"}, {"name": 1}]}) == {"items.1.name": ["Not a valid string."]}


@pytest.mark.parametrize("value", [None, "ab", {"0": {"name": "a"}}, 1])
def test_a_list_is_an_array_and_nothing_else(value: object) -> None:
    assert list(problems({"items": value})) == ["items"]


def test_twenty_wrong_items_are_enough() -> None:
    seen = []

    class Counted(_Item):
        @ma.pre_load
        def count(self, data: object, **kwargs: object) -> object:
            seen.append(data)
            return data

    class Body(BodySchema):
        items = Items(ma.fields.Nested(Counted))

    with pytest.raises(ma.ValidationError):
        Body().load({"items": [{}] * 100_000})

    assert len(seen) == 20
    assert len(problems({"items": [{}] * 100_000})) == 20


def test_the_number_of_items_is_validated_before_they_are() -> None:
    assert problems({"items": [{}] * 200_001}) == {"items": ["Length must be between 1 and 200000."]}


def test_others_have_their_turn_meanwhile() -> None:
    turns = []

    def take_turns() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    _Body().load({"items": [{"name": "a"}] * 1_000})
    other.kill()

    assert len(turns) >= 10


def test_of_many_unknown_fields_the_first_are_told() -> None:
    unknown = {f"field {number}": 1 for number in range(100_000)}

    assert list(problems(unknown)) == [f"field {number}" for number in range(20)]
    assert list(problems({"items": [unknown]})) == [f"items.0.field {number}" for number in range(20)]
    assert sorted(problems({"no": 1, "nor": 2})) == ["no", "nor"]
    with pytest.raises(Unprocessable) as caught:
        only_changes({"name": "a"} | unknown, _Update, {})
    assert len(caught.value.errors or ()) == 20
