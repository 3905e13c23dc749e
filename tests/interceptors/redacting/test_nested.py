"""Strings that hold JSON are opened and closed in their own manner."""

import base64
import json
from typing import Any

import pytest

from callgate.interceptors.redacting.nested import opened, opened_blob

VALUE = {"name": "Zoë", "items": [1, {"a": None}], "empty": {}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(VALUE),
        json.dumps(VALUE, separators=(",", ":")),
        json.dumps(VALUE, indent=2),
        json.dumps(VALUE, indent="\t", ensure_ascii=False),
        json.dumps(VALUE, ensure_ascii=False),
        f"\n  {json.dumps(VALUE)}  \n",
    ],
)
def test_json_is_written_again_as_it_was(text: str) -> None:
    inner = opened(text)

    assert inner is not None and inner.value == VALUE
    assert inner.close(inner.value) == text
    assert inner.close({**VALUE, "name": "x"}) == text.replace("Zoë", "x").replace("Zo\\u00eb", "x")


def test_a_value_a_line_is_json_too() -> None:
    text = '{"a": 1}\n\n{"b":2}\n'
    inner = opened(text)
    assert inner is not None and inner.value == [{"a": 1}, "", {"b": 2}]

    changed: Any = [{"a": 1}, "", {"b": "x"}]

    assert inner.close(changed) == '{"a": 1}\n\n{"b":"x"}'
    assert inner.close([{"a": 1}, ""]) == '{"a":1}'


@pytest.mark.parametrize(
    "text", ["", "plain", "{not json}", "[1, 2", '{"a":1,"a":2}', "{}\nnot json\n{}", "{braces}"]
)
def test_other_texts_are_not_opened(text: str) -> None:
    assert opened(text) is None


def test_a_blob_of_text_is_opened_and_one_of_bytes_is_not() -> None:
    inner = opened_blob(base64.b64encode("Zoë".encode()).decode())

    assert inner is not None and inner.value == "Zoë"
    assert base64.b64decode(inner.close("x")) == b"x"
    assert opened_blob(base64.b64encode(b"\x89PNG\x00").decode()) is None
    assert opened_blob("no base64!") is None
