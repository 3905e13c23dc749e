"""What the redactor finds, what it leaves alone, and when it may skip looking."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from callgate.interceptors.redact import Redactor, RedactSettings
from callgate.scrutiny import Request, Result
from fakes.calls import a_principal, a_tool

SECRETS = {
    "email": ["bob@example.org", "a.b+c@mail.example.co.uk"],
    "card": ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004"],
    "key": [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "x" * 30,
        "xoxb-123456789012-abcdef",
        "AIza" + "b" * 35,
        "sk_live_" + "4" * 24,
        "sk-" + "Q" * 40,
        "glpat-" + "z" * 20,
        "cgk_" + "K" * 43,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIE cut off",
    ],
}
CASES = [(kind, text) for kind, texts in SECRETS.items() for text in texts]
INNOCENT = ["no secrets here", "4111111111111112", "user at example", "2026-11-22", "a@b", "12345"]


def redactor(**settings: Any) -> Redactor:
    return Redactor(RedactSettings(**settings))


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_a_secret_is_found_wherever_it_stands(kind: str, text: str) -> None:
    value = {"a": f"before {text} after", "b": [{"c": text}], text: 1}
    if "cut off" in text:
        value = {"a": text}

    redacted, found = redactor().redact(value)

    assert text not in str(redacted)
    assert found[kind] == (1 if "cut off" in text else 3)


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_text_stays_as_it_is(text: str) -> None:
    assert redactor().redact({"a": text}) == ({"a": text}, {})


def test_a_card_number_that_is_a_json_number_is_found_too() -> None:
    redacted, _ = redactor().redact(
        {"card": 4111111111111111, "count": 12345, "on": True, "x": None}
    )

    assert redacted == {"card": "[redacted:card]", "count": 12345, "on": True, "x": None}


def test_only_the_chosen_kinds_are_looked_for_and_exceptions_are_kept() -> None:
    some = redactor(find=["email"], keep=["help@example.org"])

    redacted, found = some.redact("help@example.org bob@example.org 4111111111111111")

    assert redacted == "help@example.org [redacted:email] 4111111111111111"
    assert found == {"email": 1}


def test_own_patterns_are_added_and_must_be_re2() -> None:
    assert redactor(patterns={"ticket": r"^T-\d+$"}).redact(["T-12", "xT-12"])[0] == [
        "[redacted:ticket]",
        "xT-12",
    ]
    with pytest.raises(ValidationError, match="not an RE2 expression"):
        RedactSettings(patterns={"bad": r"(?=x)"})


def test_arguments_and_results_are_changed_with_a_note_of_what_was_found() -> None:
    async def scenario() -> tuple[Any, Any, Any]:
        call: dict[str, Any] = {"call_id": "c", "principal": a_principal(), "tool": a_tool()}
        request = Request(**call, arguments={"to": "bob@example.org"}, enriched={}, meta={})
        result = Result(**call, arguments={}, result={"content": ["a@b.io"]}, is_error=False)
        clean = Result(**call, arguments={}, result={"content": []}, is_error=False)
        it = redactor()
        return await it.on_request(request), await it.on_result(result), await it.on_result(clean)

    request, result, clean = asyncio.run(scenario())

    assert (request.arguments, request.note) == ({"to": "[redacted:email]"}, "1 email")
    assert result.result == {"content": ["[redacted:email]"]}
    assert clean is None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(TEXT, st.sampled_from([text for _, text in CASES]), TEXT, st.booleans())
def test_a_result_that_is_skipped_holds_nothing_to_redact(
    before: str, secret: str, after: str, is_plain: bool
) -> None:
    value = {"content": [{"type": "text", "text": before + ("" if is_plain else secret) + after}]}
    it = redactor()

    if it.may_skip(msgspec.json.encode(value)):
        assert it.redact(value) == (value, {})


def test_escapes_do_not_hide_a_secret_from_the_screen() -> None:
    body = b'{"content":[{"type":"text","text":"bob\\u0040example.org"}]}'

    assert not redactor().may_skip(body)
    assert redactor().may_skip(b'{"content":[{"type":"text","text":"nothing"}]}')
    assert not redactor(patterns={"x": "^y"}).may_skip(b"{}")
