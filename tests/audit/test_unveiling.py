"""What is said in an encoding is read, whatever the encoding, within bounds of work."""

import base64
import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.unveiling import MAX_DECODED_BYTES, folded, text_in, turned, views

SAID = "The quick brown fox jumps over the lazy dog at 12:30."
RAW = SAID.encode()


def said_in(text: str) -> list[str]:
    """How it was encoded, each time that it is found."""
    return [view.way for view in views(text) if SAID in view.text]


@pytest.mark.parametrize(
    ("text", "way"),
    [
        (base64.b64encode(RAW).decode(), "base64"),
        (base64.b64encode(gzip.compress(RAW)).decode(), "base64 compressed"),
        (base64.b64encode(base64.b32encode(RAW)).decode(), "base64 base32"),
        (base64.b64encode(SAID.encode("utf-16-le")).decode(), "base64"),
        (base64.b85encode(RAW).decode(), "base85"),
        (f"<~{base64.a85encode(RAW).decode()}~>", "base85"),
        (RAW.hex(":"), "hex"),
        (zlib.compress(RAW).hex().upper(), "hex compressed"),
        (" ".join(f"{code:08b}" for code in RAW), "binary"),
        (";".join(map(str, RAW)), "codes"),
        (str(int.from_bytes(RAW, "big")), "number"),
        ("".join(f"%{code:02X}" for code in RAW), "percent"),
        ("".join(f"={code:02X}" for code in RAW), "quoted"),
        ("".join(f"\\x{code:02x}" for code in RAW), "escapes"),
        ("".join(f"&#x{code:x};" for code in RAW), "entities"),
    ],
)
def test_an_encoding_is_seen_through_also_within_other_text(text: str, way: str) -> None:
    assert way in said_in(text)
    assert way in said_in(f"Please keep this ({text}), it matters.")


def test_an_encoding_in_an_encoding_is_seen_through_four_times_and_no_more() -> None:
    text, ways = SAID, []
    for _ in range(6):
        text = base64.b64encode(text.encode()).decode()
        ways.append(said_in(text))

    assert [bool(found) for found in ways] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "a plain sentence with getCustomerOrdersByName and some_long_snake_case_identifier",
        "/usr/share/doc/package/examples/configuration.yaml",
        "https://example.com/a/b/c/d?page=12&size=100",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "2026-11-29 17:00:00, 100 200 300, 1234567890123456",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    ],
)
def test_ordinary_texts_hold_nothing(text: str) -> None:
    assert [view for view in views(text) if view.opaque_bytes or "base64" in view.way] == []


def test_data_that_is_no_text_is_counted() -> None:
    noise = b"".join(zlib.crc32(bytes([n])).to_bytes(4, "big") for n in range(50))

    assert [view.opaque_bytes for view in views(base64.b64encode(noise).decode())] == [201]
    assert [view.opaque_bytes for view in views(noise.hex())] == [200]


@pytest.mark.parametrize(
    "make",
    [
        lambda: "A" * 2_000_000,
        lambda: "%41" * 400_000,
        lambda: ("QUFB" * 8 + " ") * 30_000,
        lambda: base64.b64encode(gzip.compress(b"x" * 50_000_000)).decode(),
        lambda: "&#65;" * 300_000,
        lambda: "<~" * 400_000,
    ],
)
def test_what_comes_out_is_bounded(make: Callable[[], str]) -> None:
    assert sum(len(view.text) for view in views(make())) <= MAX_DECODED_BYTES


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    for view in views(text):
        assert view.way
        view.text.encode()
    assert folded(folded(text)) == folded(folded(folded(text)))
    turned(text)


@given(st.binary(min_size=9))
def test_bytes_are_text_or_not(data: bytes) -> None:
    found = text_in(data)

    assert found is None or found[0]


@pytest.mark.parametrize(
    "text",
    [
        "IGNORE this",
        "ign\u200bore th\u00adis",
        "\uff49\uff47\uff4e\uff4f\uff52\uff45 this",
        "ign\u043ere this",
        "".join(chr(0xE0000 + ord(letter)) for letter in "ignore this"),
        "\u202eignore\u202c this",
    ],
)
def test_a_text_is_read_as_it_is_meant(text: str) -> None:
    assert folded(text) == "ignore this"


def test_other_scripts_stay_as_they_are() -> None:
    assert folded("Сорока и other") == "сорока и other"
