import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.keys import (
    COSIGNATURE,
    NOTE,
    NotAKeyError,
    SigningKey,
    VerifierKey,
    is_name,
    key_lines,
)

# Keys of other implementations: of Go's module sumdb/note and its checksum database, of the
# specification's example, and of witnesses that run in public.
PUBLISHED = {
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW": NOTE,
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop": NOTE,
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8": NOTE,
    "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6": NOTE,
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2": COSIGNATURE,
}
PETER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"


@pytest.mark.parametrize(("text", "algorithm"), PUBLISHED.items())
def test_a_published_key_is_read_and_written_as_it_is(text: str, algorithm: int) -> None:
    key = VerifierKey.parse(f" {text}\n")

    assert key.text == text
    assert key.algorithm == algorithm
    assert key.name == text.partition("+")[0]


def test_a_private_key_of_another_tool_is_read_and_written_as_it_is() -> None:
    key = SigningKey.parse(PETER + "\n")

    assert key.text == PETER
    assert key.verifier.text == next(iter(PUBLISHED))


@pytest.mark.parametrize("algorithm", [NOTE, COSIGNATURE])
def test_a_new_key_signs_what_its_public_half_verifies(algorithm: int) -> None:
    key = SigningKey.generated("callgate.dev/00/11", algorithm)
    again = SigningKey.parse(key.text)

    assert VerifierKey.parse(key.verifier.text) == again.verifier == key.verifier
    assert key.verifier.verifies(b"text", again.sign(b"text"))
    assert not key.verifier.verifies(b"text!", again.sign(b"text"))
    assert not SigningKey.generated("x").verifier.verifies(b"text", again.sign(b"text"))
    assert not key.verifier.verifies(b"text", b"short")


def test_a_private_key_does_not_show_itself() -> None:
    key = SigningKey.generated("name")

    assert key.text.rpartition("+")[2] not in f"{key!r} {key}"


@pytest.mark.parametrize("text", [next(iter(PUBLISHED)), PETER])
def test_no_part_of_a_key_and_no_change_of_one_is_a_key(text: str) -> None:
    read = SigningKey.parse if text == PETER else VerifierKey.parse
    for first in range(len(text)):
        for last in range(first, len(text) + 1):
            if text[first:last] != text:
                with pytest.raises(NotAKeyError):
                    read(text[first:last])
    for place, character in enumerate(text):
        with pytest.raises(NotAKeyError):
            read(text[:place] + chr(ord(character) + 1) + text[place + 1 :])


@given(st.text(max_size=80))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    for read in (VerifierKey.parse, SigningKey.parse):
        with pytest.raises(NotAKeyError):
            read(text)


def test_a_very_long_key_is_refused_unread() -> None:
    with pytest.raises(NotAKeyError, match="form"):
        VerifierKey.parse("a" * 10_000_000 + "+c74f20a3+AAAA")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\x00b", "a\u00a0b", "a\u2003b"])
def test_names_that_would_break_a_line_name_no_key(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(NotAKeyError):
        SigningKey.generated(name)


def test_a_file_of_keys_has_one_a_line_and_remarks() -> None:
    assert key_lines(" # of last year\n\n  a+b+c  \r\nd+e+f\n#g+h+i\n") == ["a+b+c", "d+e+f"]
    assert key_lines("") == []
