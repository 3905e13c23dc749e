"""Where a secret can stand: what is passed over holds none."""

import codecs
import random
import string

import pytest
import redact_secret
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.forms import Reading
from callgate.interceptors.redacting.hints import (
    _WORDY,
    AFTER,
    ODD,
    SHORTEST,
    around,
    may_be_turned,
    odd_run,
)
from fakes.sensitive import secrets

IN_A_RUN = string.ascii_letters + string.digits + "_+/=-.:@"
PROSE = "The token of a session, and files-are-never-deleted by context.input.amount. See items. "


@given(st.text(IN_A_RUN, min_size=SHORTEST, max_size=60))
def test_a_run_that_is_no_words_holds_a_form_that_words_lack(run: str) -> None:
    reading = Reading(run)

    assert _WORDY.fullmatch(reading.body) is not None or ODD.is_in(reading)


@pytest.mark.parametrize(
    "text",
    [
        "resources/templates/list",
        "//docs.cedarpolicy.com",
        "UnauthenticatedUser",
        "MAX_DECODED_BYTES",
        "2026-11-22T10:00:00+01:00",
        "sampling/createMessage",
        "@id(files-are-never-deleted)",
        "a1b2c3",
        PROSE * 20,
    ],
)
def test_words_names_and_dates_are_no_keys(text: str) -> None:
    assert odd_run(Reading(text), 0) is None


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.integers(),
    st.sampled_from([string.ascii_letters + string.digits, "0123456789abcdef", "ABCDEFGHIJ234567"]),
)
def test_what_is_drawn_by_lot_is_found_whole_behind_anything(
    before: str, seed: int, letters: str
) -> None:
    chance = random.Random(seed)
    key = "".join(chance.choice(letters) for _ in range(24)) + "7q"
    text = f"{before} {key} and {PROSE}"

    found = odd_run(Reading(text), len(before.encode()))

    assert found is not None
    start, end = found
    assert text.encode()[start:end].decode().endswith(key)


@pytest.mark.parametrize("kind", secrets())
def test_every_secret_can_be_turned_around(kind: str) -> None:
    text = secrets()[kind][1]

    assert may_be_turned(Reading(text[::-1]))
    assert may_be_turned(Reading(codecs.encode(text, "rot13")))


@pytest.mark.parametrize("text", ["https://ada:p§w!@db.example/x", "://user:#+*@h"])
def test_a_password_in_a_url_can_be_turned_around_whatever_it_is_written_with(text: str) -> None:
    assert may_be_turned(Reading(text[::-1]))
    assert may_be_turned(Reading(codecs.encode(text, "rot13")))


def test_prose_cannot() -> None:
    assert not may_be_turned(Reading(PROSE * 50))


NAMES = (
    "password", "passwd", "pwd", "secret", "client_secret", "api_key", "apiKey", "x-api-key", "DB_PASS",
    "auth_token", "AWS_SECRET_ACCESS_KEY", "credentials", "session_token", "private_key", "signing_key",
    "code_verifier", "Authorization", "secretKey", "passphrase", "mac_secret_base64", "x_jfrog_art_api",
)  # fmt: skip
WAYS = (
    ": {}", "={}", " = {}", '": "{}"', "': '{}'", " => '{}'", " := {}", '("{}")', '", "{}")', '\\": \\"{}\\"',
    ": Bearer {}", ": Basic {}", "://u:{}@host/x", "\u00a0: {}", "\t=\t{}", " {}", "\n{}",
)  # fmt: skip
VALUES = (
    "qW3rTy7!",
    "correcthorse",
    "o1CaTu*WDU9KJF/#gy/P",
    "6de273556de27355",
    "dXNlcjpwYXNzd29yZA==",
)


def found(text: str, parts: list[tuple[int, int]]) -> set[tuple[int, int]]:
    every = ((start, one) for start, end in parts for one in redact_secret.scan(text[start:end]))
    return {
        (start + one.start, start + one.end)
        for start, one in every
        if one.type != "contextual_secret"
        or any(c.isdigit() for c in text[start + one.start : start + one.end])
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_the_engine_finds_in_the_whole_it_finds_in_the_parts(name: str) -> None:
    for way in WAYS:
        for value in VALUES:
            for text in (
                name + way.format(value),
                f"{PROSE * 9}\n{name}{way.format(value)} {PROSE * 9}",
                f"ключ {name}{way.format(value)}\n{PROSE}",
            ):
                assert found(text, around(Reading(text))) >= found(text, [(0, len(text))]), text


def test_a_name_near_the_end_of_a_part_is_shown_with_its_value() -> None:
    for gap in range(400, AFTER + 40, 7):
        text = "password: tr0ub4dor77 " + "x " * (gap // 2) + "client_secret = o1CaTuWDU9KJF7gyPq"

        last = (len(text) - 18, len(text))

        assert last in found(text, around(Reading(text))), gap


def test_prose_is_not_shown_to_the_engine() -> None:
    assert around(Reading(PROSE * 100)) == []


def test_only_what_stands_around_a_hint_is_shown() -> None:
    assert around(Reading("nothing here " * 1000)) == []

    text = "nichts für uns " * 1000 + "password: x1" + " nichts für uns" * 1000
    (part,) = around(Reading(text))
    assert part[0] < text.index("password") < part[1] < part[0] + 1000
