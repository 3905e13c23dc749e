"""Obvious arguments: among them is one with the facts that are wanted."""

from typing import Any

import pytest

from callgate.policy.analysis.recovering import json_values, texts
from callgate.policy.exact import canonical
from callgate.policy.readings import read


@pytest.mark.parametrize(
    "facts",
    [
        {"host": "api.example.com", "scheme": "https"},
        {"host": "api.example.com", "port": 8443},
        {"domain": "example.com", "url_path": "/x/y"},
        {"has_userinfo": True, "host": "example.com"},
        {"address_local": "ada", "address_domain": "mail.example.com"},
        {"path": "/data/x", "escapes": False},
        {"path": "data/x", "escapes": False, "has_backslash": False},
        {"escapes": True, "is_absolute": True},
        {"ip": "10.0.0.0/8"},
        {"ip": "10.1.2.3"},
        {"is_ambiguous": True},
        {"instant": "2026-01-31T10:00:00.000Z"},
        {"length": 300, "bytes": 302},
    ],
    ids=str,
)
def test_a_text_with_these_facts_is_tried(facts: dict[str, Any]) -> None:
    assert any(read(text, facts.keys()) == facts for text in texts(facts))


@pytest.mark.parametrize(
    ("pieces", "first"), [(['{"', "secret"], "x"), (['["a"'], "x"), (['"abc'], "x"), ([], "12")]
)
def test_a_value_with_these_pieces_in_its_text_is_tried(pieces: list[str], first: str) -> None:
    found = [canonical(value).decode() for value in json_values(pieces, first)]

    assert any(all(piece in text for piece in pieces) for text in found)
    assert "null" in found
