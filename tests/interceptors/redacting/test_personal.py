"""Personal data in texts: what is found, what only looks like it."""

import pytest

from callgate.interceptors.redacting.forms import Reading
from callgate.interceptors.redacting.personal import CHUNK, PersonalData, is_card

EVERY = ("email", "card", "iban", "phone", "ip", "national_id")
FOUND = {
    "email": ["bob@example.org", "a.b+c@mail.example.co.uk", "x_1@sub.xn--bcher-kva.example"],
    "card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "340000000000009",
        "6011000000000004",
        "2223000048400011",
        "3530111333300000",
        "30569309025904",
    ],
    "iban": ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO9386011117947"],
    "phone": ["+49 30 901820", "415-555-2671", "+1 415 555 2671"],
    "ip": ["10.0.0.1", "2001:db8::1"],
    "national_id": [
        "536-90-4399",
        "RCCMNL83S18D969H",
        "54362315-K",
        "756.9217.0769.85",
        "390.533.447-05",
        "131052-308T",
        "QQ123456C".replace("QQ", "AB"),
        "943 476 5919",
    ],
}
NOT_FOUND = {
    "email": ["user at example", "a@b", "@handle", "x@localhost"],
    "card": [
        "4111111111111112",  # check digit
        "1234567890123452",  # no brand
        "0000000000000000",
        "0.4111111111111111",
        "41111111111111111111111",
    ],
    "iban": ["DE89370400440532013001", "XX00123456789012345"],
    "national_id": ["536-00-4399", "RCCMNL83S18D969X", "54362315-A", "2026-11-22"],
}


def kinds_in(text: str, *kinds: str) -> set[str]:
    found = PersonalData(kinds or EVERY).find(Reading(text))
    return {span.kind for span in found}


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in FOUND.items() for t in texts])
def test_each_kind_is_found_exactly(kind: str, text: str) -> None:
    reading = Reading(f"Grüße: {text}, danke")

    spans = [span for span in PersonalData([kind]).find(reading) if span.kind == kind]

    assert text in {reading.text[span.start : span.end] for span in spans}


@pytest.mark.parametrize(
    ("kind", "text"), [(k, t) for k, texts in NOT_FOUND.items() for t in texts]
)
def test_what_only_looks_like_it_is_left_alone(kind: str, text: str) -> None:
    assert kinds_in(f"see {text}.", kind) == set()


def test_an_account_number_ends_before_the_words_that_follow() -> None:
    reading = Reading("IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFF")

    (span,) = PersonalData(["iban"]).find(reading)

    assert reading.text[span.start : span.end] == "DE89 3704 0044 0532 0130 00"


def test_a_number_after_a_comma_is_no_fraction() -> None:
    assert kinds_in("[0,4111111111111111]", "card") == {"card"}


def test_only_the_chosen_kinds_are_found() -> None:
    text = "bob@example.org 4111111111111111 10.0.0.1"

    assert kinds_in(text, "email") == {"email"}
    assert kinds_in(text, "ip") == {"ip"}


def test_what_lies_over_the_end_of_a_chunk_is_found_at_its_place() -> None:
    filler = "é" * (CHUNK - 4)
    reading = Reading(filler + " 10.20.30.40 " + "x" * CHUNK)

    spans = set(PersonalData(["ip"]).find(reading))

    assert {reading.text[span.start : span.end] for span in spans} == {"10.20.30.40"}


def test_a_card_has_the_digits_of_a_brand() -> None:
    assert is_card("4111-1111-1111-1111")
    assert not is_card("4111")
    assert not is_card("1790000000000009")
