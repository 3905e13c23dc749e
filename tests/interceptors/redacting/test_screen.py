"""The screen lets nothing pass that the scanner would find, however the JSON is written."""

import json
from typing import Any

import pytest

from callgate.interceptors.redacting.screen import is_worth_a_look
from callgate.protocol.jsonrpc import encode
from fakes.sensitive import ENCODINGS, FURTHER, secrets

WAYS = {**ENCODINGS, **FURTHER}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(
    "secret", ["ada@example.org", "4111111111111111", secrets()["npm token"][0]]
)
def test_every_encoding_is_worth_a_look(name: str, secret: str) -> None:
    value = {"a": WAYS[name](secret)}

    assert is_worth_a_look(encode(value))
    assert is_worth_a_look(json.dumps(value, indent=2).encode())


@pytest.mark.parametrize(
    "value",
    [
        {"content": [{"type": "text", "text": "ok, 12 of 40"}]},
        {"customer": "C-17", "amount": 12.5, "done": True},
        {"items": [1, 2, 3], "note": None},
        {"one": "a", "two": "b"},
    ],
)
def test_plain_small_values_are_not(value: Any) -> None:
    assert not is_worth_a_look(encode(value))
    assert not is_worth_a_look(json.dumps(value, indent=2).encode())


@pytest.mark.parametrize(
    "value",
    [["a", "b"], {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
)
def test_texts_that_may_be_parts_of_one_are_worth_a_look(value: Any) -> None:
    assert is_worth_a_look(encode(value))
    assert is_worth_a_look(json.dumps(value, indent=1).encode())
