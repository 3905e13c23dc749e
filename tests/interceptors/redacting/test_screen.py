"""The screen lets nothing pass that the scanner would find, however the JSON is written."""

import copy
import json
import string
from typing import Any, get_args

import kingfisher_sdk
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callgate.interceptors.redacting.credentials import ENGINE, KEYS
from callgate.interceptors.redacting.document import document
from callgate.interceptors.redacting.forms import Reading, Together
from callgate.interceptors.redacting.marks import Marks
from callgate.interceptors.redacting.redaction import Redaction, Situation
from callgate.interceptors.redacting.scanner import Scanner
from callgate.interceptors.redacting.screen import Screen
from callgate.interceptors.redacting.settings import Kind, RedactSettings
from callgate.interceptors.redacting.vault import Vault
from callgate.protocol.jsonrpc import encode
from fakes.clock import FakeClock
from fakes.patterns import is_seen, parsed, run_of
from fakes.sensitive import ENCODINGS, FURTHER, secrets

WAYS = {**ENCODINGS, **FURTHER}
IN_A_RUN = string.ascii_letters + string.digits + "+/_.~=-"
LONG = 20


def redaction(**more: Any) -> Redaction:
    chosen, clock = RedactSettings(**more), FakeClock()
    marks = Marks(chosen.kinds, b"", Vault(chosen.tokens, clock))
    return Redaction(chosen, Scanner(chosen, clock), marks)


USUAL = redaction()
EVERY = redaction(find=get_args(Kind))
SCANNERS = {
    "usual": Scanner(RedactSettings(), FakeClock()),
    "every": Scanner(RedactSettings(find=get_args(Kind)), FakeClock()),
}


def is_worth_a_look(body: bytes) -> bool:
    return not USUAL.may_skip(body)


SCREEN = Screen(())


def sees(text: str) -> bool:
    return not SCREEN.may_skip(text.encode())


def asks_the_engine(text: str) -> bool:
    return ENGINE.is_in(Reading(text))


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(
    "secret", ["ada@example.org", "4111111111111111", secrets()["npm token"][0]]
)
def test_every_encoding_is_worth_a_look(name: str, secret: str) -> None:
    value = {"a": WAYS[name](secret)}

    assert is_worth_a_look(encode(value))
    assert is_worth_a_look(json.dumps(value, indent=2).encode())


@pytest.mark.parametrize("kind", secrets())
def test_every_secret_is_worth_a_look(kind: str) -> None:
    for text in secrets()[kind]:
        assert is_worth_a_look(encode([text]))


def test_kingfisher_is_asked_where_any_of_its_rules_can_match() -> None:
    rules = kingfisher_sdk.Rules(cache=False)
    shown = [rule["id"] for rule in rules.metadata() if rule["visible"]]

    unseen = []
    for name in shown:
        expression = parsed(rules.detail(name)["pattern"])
        is_long = run_of(expression, IN_A_RUN).longest >= LONG
        if not is_long and not is_seen(expression, asks_the_engine):
            unseen.append(name)

    assert len(shown) > 400
    assert unseen == []


def test_what_any_form_of_a_key_finds_is_where_the_engines_are_asked() -> None:
    for branch in _branches(parsed(KEYS)):
        assert run_of(branch, IN_A_RUN).longest >= LONG or is_seen(branch, asks_the_engine), branch


def _branches(expression: Any) -> list[Any]:
    ((_, (_, branches)),) = expression
    return list(branches)


def test_a_run_of_twenty_is_worth_a_look_whatever_it_is_of() -> None:
    for character in IN_A_RUN:
        assert asks_the_engine(character * LONG)
        assert sees(character * LONG)


@pytest.mark.parametrize(
    "value",
    [
        {"content": [{"type": "text", "text": "ok, 12 of 40"}]},
        {"customer": "C-17", "amount": 12.5, "done": True},
        {"items": [1, 2, 3], "note": None},
        {"one": "a", "two": "b"},
        {"structuredContent": {"customer_name": "Ada", "ordered": "2026-11-22"}, "isError": False},
        {"content": [{"type": "text", "text": 'Two lines,\nof which one says "done".\t'}]},
        {"at": "2026-11-22T10:00:00.123Z", "id": "c-1001", "path": "reports/october"},
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


def test_what_is_written_with_escapes_that_we_do_not_write_is_worth_a_look() -> None:
    assert is_worth_a_look(rb'{"a":"\u0061b"}')
    assert is_worth_a_look(rb'{"a":"a\/b"}')


def test_bytes_beyond_ascii_are_worth_a_look_even_where_they_are_no_text() -> None:
    assert is_worth_a_look('{"a":"ü"}'.encode())
    assert is_worth_a_look(b'{"a":"\xff"}')


# Near to what the engines look for, and not always it: what is found in any mixture must be seen.
PARTS = st.sampled_from([
    "ada", "@", "example", ".", "org", "4111", "1111", "3782", "822463", "10005", "-", " ", "  ", "/",
    "DE89", "3704", "0044", "0532", "0130", "00", "GB82", "WEST", "1234", "5698", "7654", "32", "ABCD",
    "078-05-1120", "+49 30 123456", "(555) 010-9999", "127.0.0.1", "::1", "fe80::1", "AB 12 34 56 C",
    "pass", "password", "pwd", "secret", "token", "key", "sig", "code_verifier", "Bearer", "=", ":", "(",
    "algolia", "asana", "discord", "dropbox", "linkedin", "xoxb-", "xapp-1-", "sk_live_", "curl", " -u ",
    "a1b2c3", "abcdefghij", "Abcdefg", "qW3r", "x7!", "tr0ub4dor", "0x41", "0x61", "40", "41", ",", ";",
    "IGFu", "YWRh", "QGV4", "H4sI", "<~", "~>", "\n", "\t", '"', "\\", "\u200b", "ü", "%40", "&#64;", "[", "]",
])  # fmt: skip
STRINGS = st.lists(PARTS, max_size=9).map("".join)
NUMBERS = st.integers(0, 99) | st.integers(0, 10**17) | st.floats(0, 1e17)
VALUES = st.recursive(
    STRINGS | NUMBERS | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("which", SCANNERS)
@settings(max_examples=400, deadline=None)
@given(value=VALUES)
@example(value={"a": "DE89 ABCD EFGH IJKL M"})
@example(value={"a": " ".join(f"0x{ord(c):x}" for c in "ada@example.org")})
@example(value={"algolia": "a1b2c3d4e5"})
@example(value={"code_verifier": "a1b2"})
@example(value=["4111", "1111", "1111", "1111"])
def test_what_is_not_worth_a_look_holds_nothing(which: str, value: Any) -> None:
    it = {"usual": USUAL, "every": EVERY}[which]
    skipped = [
        body
        for body in (
            encode(value),
            json.dumps(value, indent=2).encode(),
            json.dumps(value).encode(),
        )
        if it.may_skip(body)
    ]

    if skipped:
        assert SCANNERS[which].find(document(encode(value))) == [], skipped


@settings(max_examples=100, deadline=None)
@given(value=VALUES)
def test_a_value_is_redacted_as_without_the_screen(value: Any) -> None:
    plain = redaction_without_screen()

    assert USUAL.of(value, encode(value), Situation()) == plain.of(
        value, encode(value), Situation()
    )


def redaction_without_screen() -> Redaction:
    it = redaction()
    it.may_skip = lambda body: False  # type: ignore[method-assign]
    return it


@pytest.mark.parametrize("which", SCANNERS)
@settings(max_examples=200, deadline=None)
@given(value=VALUES)
def test_engines_that_are_not_asked_would_find_nothing(which: str, value: Any) -> None:
    text = document(encode(value))
    it, plain = SCANNERS[which], scanner_that_asks(which)

    assert it.find(text) == plain.find(text)


def scanner_that_asks(which: str) -> Scanner:
    """Like another, with no word of what a text lacks."""
    it = copy.copy(SCANNERS[which])
    it._together = Together([])
    return it
