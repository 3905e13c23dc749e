"""What a body must say, and what is ignored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.control.authzen.reading import (
    Action,
    ActionSearch,
    Evaluation,
    Kind,
    Page,
    Resource,
    ResourceSearch,
    Subject,
    SubjectSearch,
    Unclear,
    object_of,
    read,
)
from callgate.control.problems import Problem
from callgate.control.routing import Request
from callgate.model import Json

BODY: dict[str, Any] = {
    "subject": {"type": "user", "id": "ada", "properties": {"groups": ["finance"]}},
    "action": {"name": "tools/call", "properties": {"amount": 1}},
    "resource": {"type": "tool", "id": "shop___refund"},
}


def test_a_request_is_read_and_what_it_says_besides_is_ignored() -> None:
    more = {**BODY, "more": 1, "subject": {**BODY["subject"], "colour": "red"}}

    assert read(more, Evaluation) == Evaluation(
        subject=Subject(type="user", id="ada", properties={"groups": ["finance"]}),
        action=Action(name="tools/call", properties={"amount": 1}),
        resource=Resource(type="tool", id="shop___refund"),
    )


def test_no_arguments_are_another_thing_than_none_at_all() -> None:
    assert Action(name="x").arguments is None
    assert Action(name="x", properties={}).arguments == {}


def test_the_id_of_what_is_searched_for_is_ignored_whatever_it_is() -> None:
    asked = read({**BODY, "subject": {"type": "user", "id": 7}}, SubjectSearch)

    assert (asked.subject, asked.page) == (Kind(type="user"), Page())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"subject": None}, "Expected `object`, got `null` - at `$.subject`."),
        ({"subject": "ada"}, "Expected `object`, got `str` - at `$.subject`."),
        ({"subject": {"id": "ada"}}, "Object missing required field `type` - at `$.subject`."),
        ({"subject": {"type": "user", "id": ""}}, "Expected `str` of length >= 1"),
        ({"subject": {"type": "user", "id": 1}}, "Expected `str`, got `int` - at `$.subject.id`."),
        ({"action": {"name": "x", "properties": None}}, "got `null` - at `$.action.properties`."),
        ({"action": {"name": "x", "properties": []}}, "got `array` - at `$.action.properties`."),
        ({"resource": {"type": "tool", "id": ["a"]}}, "Expected `str`, got `array`"),
        ({"context": "now"}, "Expected `object`, got `str` - at `$.context`."),
        ({"context": None}, "Expected `object`, got `null` - at `$.context`."),
    ],
)
def test_what_is_wrong_is_said_with_its_place(more: dict[str, Json], said: str) -> None:
    with pytest.raises(Unclear) as caught:
        read({**BODY, **more}, Evaluation)

    assert said in str(caught.value)


@pytest.mark.parametrize("kind", [SubjectSearch, ResourceSearch, ActionSearch])
@pytest.mark.parametrize("page", [{"limit": -1}, {"limit": 1.5}, {"limit": "1"}, {"token": 1}, []])
def test_a_page_that_is_none_is_refused(kind: type[SubjectSearch], page: Json) -> None:
    with pytest.raises(Unclear):
        read({**BODY, "page": page}, kind)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"1"])
def test_a_body_is_an_object(body: bytes) -> None:
    request = Request("POST", "/", b"", {"content-type": ["application/json"]}, body=body)

    with pytest.raises(Problem, match="400: The body must be a JSON object"):
        object_of(request)


_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["subject", "action", "resource", "context", "x"]), _JSON))
def test_a_request_is_read_or_refused_and_never_anything_else(body: dict[str, Json]) -> None:
    try:
        asked = read(body, Evaluation)
    except Unclear:
        return
    assert body["subject"]["id"] == asked.subject.id
