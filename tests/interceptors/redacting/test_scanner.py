"""What the scanner finds in encodings, what it leaves alone, where it stops."""

import base64
import gzip
import json
import random
from typing import Any

import pytest

from callgate.interceptors.redacting.document import document
from callgate.interceptors.redacting.scanner import MAX_SECONDS, Scanner
from callgate.interceptors.redacting.settings import RedactSettings
from callgate.interceptors.redacting.sights import joined, whole
from callgate.interceptors.redacting.spans import Span
from callgate.protocol.jsonrpc import encode
from fakes.clock import FakeClock
from fakes.sensitive import ENCODINGS, FURTHER, benign, secrets

SECRETS = secrets(3)
TRIED = ("github token", "aws access key id", "openai key", "json web token", "private key")
BENIGN = benign()
WAYS = {**ENCODINGS, **FURTHER}


def scanner(**settings: Any) -> Scanner:
    return Scanner(RedactSettings(**settings), FakeClock())


EVERY = scanner()


def kinds(value: Any, of: Scanner = EVERY) -> list[str]:
    return [span.kind for span in of.find(document(encode(value)))]


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("kind", TRIED)
def test_a_secret_is_found_in_every_encoding(kind: str, name: str) -> None:
    encoded = WAYS[name](SECRETS[kind][0])

    assert "key" in kinds({"note": encoded})
    if isinstance(encoded, str):
        assert "key" in kinds({"content": [{"type": "text", "text": f"see {encoded} there"}]})


NOT_FOR_PERSONAL = {"reversed", "split over list items", "rot13", "base64 split over items"}


@pytest.mark.parametrize("name", [name for name in WAYS if name not in NOT_FOR_PERSONAL])
def test_personal_data_is_found_in_every_encoding_that_keeps_it_together(name: str) -> None:
    encode_ = WAYS[name]

    assert "email" in kinds({"note": encode_("ada.lovelace@example.org")})
    assert "card" in kinds({"note": encode_("4111 1111 1111 1111")})


@pytest.mark.parametrize("name", BENIGN)
def test_nothing_is_found_where_there_is_nothing(name: str) -> None:
    assert kinds(BENIGN[name]) == []


def test_a_card_over_items_that_hold_nothing_else_is_found() -> None:
    assert kinds(["4111", "1111", "1111", "1111"]) == ["card"]
    assert kinds(["n4111", "1111", "1111", "1111"]) == []


@pytest.mark.parametrize(("times", "kind"), [(1, "email"), (2, "email"), (3, "opaque")])
def test_what_is_encoded_deeper_than_the_bound_is_opaque(times: int, kind: str) -> None:
    text = "ada@example.org and more"
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()

    assert kinds([text], scanner(decode_depth=2)) == [kind]


def test_a_depth_of_nothing_decodes_nothing() -> None:
    it = scanner(decode_depth=0)

    assert kinds([base64.b64encode(b"ada@example.org").decode()], it) == []
    assert kinds(["ada@example.org"], it) == ["email"]


def test_own_patterns_are_anchored_to_strings_and_seen_in_what_is_decoded() -> None:
    it = scanner(find=[], patterns={"ticket": r"^T-\d+$"})

    assert it.own("T-12") == [Span(0, 4, "ticket")]
    assert it.own("xT-12") == []
    assert it.own("T\u200b-12") == [Span(0, 5, "ticket")]
    assert kinds([base64.b64encode(b"T-12345678").decode()], it) == ["ticket"]


def test_what_is_kept_is_kept_in_every_encoding() -> None:
    it = scanner(keep=["help@example.org"])

    assert kinds(["help@example.org", base64.b64encode(b"help@example.org").decode()], it) == []
    assert kinds(["help@example.org, bob@example.org"], it) == ["email"]


def test_only_the_chosen_kinds_are_looked_for() -> None:
    text = "bob@example.org 4111111111111111 DE89370400440532013000"

    assert kinds([text], scanner(find=["iban"])) == ["iban"]
    assert kinds([SECRETS["npm token"][0], text], scanner(find=["card"])) == ["card"]


def test_work_ends_when_its_time_is_over() -> None:
    clock = FakeClock()
    it = Scanner(RedactSettings(), clock)

    clock.advance(MAX_SECONDS)

    with pytest.raises(TimeoutError, match="not done after 30 seconds"):
        list(it._in(whole("x"), 1000.0))


def test_json_in_a_string_is_seen_as_it_stands() -> None:
    assert kinds({"a": json.dumps({"mail": "ada@example.org"})}) == ["email"]


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


@pytest.mark.parametrize("kind", ["rsa key", "openssh key", "private key"])
def test_a_long_key_over_two_items_is_found_with_both_its_ends(kind: str) -> None:
    key = SECRETS[kind][0]
    text = document(encode([*halves(key), "and more " * 500]))

    spans = EVERY.find(text)

    covered = {place for span in spans for place in range(span.start, span.end)}
    assert {text.index(half[-20:]) for half in halves(key)} <= covered


def test_packed_data_in_lines_over_two_items_is_looked_into() -> None:
    chance = random.Random(3)
    filling = chance.randbytes(2500).hex(" ")
    packed = gzip.compress(f"{filling} {SECRETS['github token'][0]} {filling}".encode())
    text = base64.encodebytes(packed).decode()
    assert len(text) > 4000

    assert "key" in kinds(halves(text))


def test_what_is_far_from_any_seam_costs_no_second_look() -> None:
    text = document(encode({"items": ["red", "green"], "text": "many words " * 1000}))

    across = joined(whole(text))

    assert across is not None
    assert len(across.text) < 1200


def test_a_secret_split_over_items_is_found_in_json_in_json_in_a_string() -> None:
    items = ENCODINGS["split over list items"](
        base64.b64encode(SECRETS["npm token"][0].encode()).decode()
    )
    blocks = [{"type": "text", "text": item} for item in items]

    for value in (items, blocks):
        for indent in (None, 1):
            within: Any = value
            for _ in range(3):
                within = json.dumps({"a": [], "b": within}, indent=indent)
                assert "key" in kinds([within])
