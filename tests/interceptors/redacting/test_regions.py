"""Encoded parts of texts are decoded, within bounds, and lead back to what was encoded."""

import base64
import bz2
import gzip
import random
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.regions import Budget, Seen, looked_into, text_of
from callgate.interceptors.redacting.sights import joined, whole
from fakes.sensitive import ENCODINGS, FURTHER

ROOM = 1_000_000
HERE = (
    "base64",
    "base64url, no padding",
    "base64 in lines",
    "hex",
    "HEX",
    "spaced hex",
    "gzip in base64",
    "zlib in base64",
    "zlib in hex",
)
THERE = ("base32", "ascii85", "UTF-16 in base64")
TOLD = "This is told: ada@example.org, and more."


def seen(text: str, room: int = ROOM) -> Seen:
    return looked_into(whole(text), Budget(room))


@pytest.mark.parametrize("name", [*HERE, *THERE])
def test_an_encoded_part_is_read_and_leads_back_to_all_of_it(name: str) -> None:
    encoded = {**ENCODINGS, **FURTHER}[name](TOLD)
    text = f'{{"a":"see {encoded} there"}}'

    sights = [sight for sight in seen(text).sights if TOLD in sight.text and not sight.is_loose]

    places = [
        sight.origin(match.start(), match.end())
        for sight in sights
        for match in re.finditer("ada@", sight.text)
    ]
    assert encoded.strip() in {text[start:end].strip() for start, end in places}


def test_codes_of_characters_are_read() -> None:
    (sight,) = seen(str([ord(c) for c in TOLD])).sights

    assert sight.text == TOLD


@given(st.binary(max_size=200))
def test_any_bytes_can_be_tried(data: bytes) -> None:
    for text in (base64.b64encode(data).decode(), data.hex(), base64.b32encode(data).decode()):
        seen(f" {text} ")


@given(st.text("ABCDEFabcdef0123456789+/=_- \n,;:%<>~", max_size=300))
def test_any_text_can_be_tried(text: str) -> None:
    for sight in seen(text).sights:
        for start in range(len(sight.text)):
            begins, ends = sight.origin(start, start + 1)
            assert 0 <= begins <= ends <= len(text)


def test_what_is_no_text_is_seen_only_for_what_has_a_form() -> None:
    picture = b"\x89PNG" + random.Random(1).randbytes(200)

    sights = seen(base64.b64encode(picture).decode()).sights

    assert sights and all(sight.is_loose for sight in sights)


def test_words_and_ids_are_not_decoded() -> None:
    assert seen("internationalisation of src/callgate/interceptors/redacting").sights == []
    assert seen("550e8400-e29b-41d4-a716-446655440000").sights == []


def test_a_part_of_a_path_is_read() -> None:
    encoded = base64.urlsafe_b64encode(TOLD.encode()).decode().rstrip("=")

    (sight, *_) = seen(f"https://x.example/a/{encoded}/b/c").sights

    assert TOLD in sight.text


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_bomb_is_opaque_and_never_unpacked(pack: object) -> None:
    assert callable(pack)
    bomb = base64.b64encode(pack(b"0" * 50_000_000)).decode()

    found = seen(f"[{bomb}]", room=10_000)

    assert found.opaque == [(1, 1 + len(bomb))]


def test_the_bound_holds_for_all_parts_together() -> None:
    packed = base64.b64encode(gzip.compress(b"x y " * 1500)).decode()

    found = seen(f"{packed} {packed}", room=10_000)

    assert len(found.opaque) == 1


def test_between_items_only_what_goes_over_a_seam_is_new() -> None:
    encoded = base64.b64encode(TOLD.encode()).decode()
    across = joined(whole(f'["{encoded[:20]}","{encoded[20:]}","{encoded}"]'))
    assert across is not None

    sights = looked_into(across, Budget(ROOM)).sights

    assert [sight.text.count(TOLD) for sight in sights] == [1]


def test_text_is_told_from_other_bytes() -> None:
    assert text_of("Größe".encode()) == "Größe"
    assert text_of("Größe".encode("utf-16-le")) == "Größe"
    assert text_of(bz2.compress(b"x")) is None
    assert text_of(b"") is None
