"""What a fact is about is named in four ways, and read as it stands."""

from typing import Any

import pytest

from callgate.interceptors.enriching.subjects import read_subject, written
from callgate.scrutiny import Request
from fakes.calls import a_principal, a_tool

CLAIMS = {"org": {"level": 3}, "a.b": "dotted", "a": {"b": "nested"}}
PRINCIPAL = a_principal("ada", "staff", "leads", tenant="acme", claims=CLAIMS)
REQUEST = Request(
    call_id="c",
    principal=PRINCIPAL,
    tool=a_tool(),
    headers={"x-country": "DE"},
    arguments={"customer": "C-1", "items": [{"id": 1}, {"id": 2}], "none": None},
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("principal.id", ["ada"]),
        ("principal.groups", ["staff", "leads"]),
        ("principal.tenant", ["acme"]),
        ("principal.agent", []),
        ("claim:org.level", [3]),
        ("claim:a.b", ["dotted"]),
        ("claim:org.missing", []),
        ("argument:$.customer", ["C-1"]),
        ("argument:$.items[*].id", [1, 2]),
        ("argument:$.none", []),
        ("argument:$.missing", []),
        ("header:x-country", ["DE"]),
        ("header:x-other", []),
    ],
)
def test_a_subject_is_read_of_a_request(text: str, values: list[Any]) -> None:
    assert read_subject(text).values(REQUEST) == values


@pytest.mark.parametrize(
    "text", ["principal", "principal.key", "claim:", "argument:customer", "Header:x", "customer"]
)
def test_what_names_nothing_says_what_does(text: str) -> None:
    with pytest.raises(ValueError, match=r"write one of|starts with `\$`"):
        read_subject(text)


@pytest.mark.parametrize(
    ("value", "key"), [("x", "x"), (5, "5"), (True, "true"), (1.5, None), ({}, None)]
)
def test_keys_are_texts(value: Any, key: str | None) -> None:
    assert written(value) == key
