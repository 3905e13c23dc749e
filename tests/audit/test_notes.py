from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.keys import COSIGNATURE, SigningKey, VerifierKey
from callgate.audit.notes import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Note,
    NoteError,
    Signature,
    lines,
    read_signatures,
    sign,
    split_notes,
    witnessed,
)
from fakes.notes import COSIGNED_AT, LOG_KEY, PUBLISHED, WITNESS_KEYS

# The example of Go's module sumdb/note.
PETER = SigningKey.parse(
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
)
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{LINE}"
ENOCH = SigningKey("EnochRoot", bytes(range(32)))
WITNESS = SigningKey("witness.example/w1", bytes(range(32)), COSIGNATURE)


def test_a_note_is_signed_byte_for_byte_as_another_implementation_signs_it() -> None:
    assert str(sign(TEXT, [PETER])) == NOTE


def test_a_note_of_another_implementation_is_read_and_verified() -> None:
    note = Note.parse(NOTE.encode())

    assert note.text == TEXT
    assert note.signed_by([PETER.verifier]) == {PETER.verifier: None}
    assert str(note) == NOTE


def test_a_published_note_with_signatures_of_unknown_kinds_is_verified() -> None:
    log, *witnesses = (VerifierKey.parse(key) for key in (LOG_KEY, *WITNESS_KEYS))
    note = Note.parse(PUBLISHED)

    assert len(note.signatures) == 6  # one is of a kind that we do not know
    assert note.signed_by([log, *witnesses]) == {
        log: None,
        **dict.fromkeys(witnesses, COSIGNED_AT),
    }
    assert str(note) == PUBLISHED


def test_several_keys_sign_one_text() -> None:
    note = sign(TEXT, [PETER, ENOCH]).with_signatures([witnessed(TEXT, WITNESS, 17)])

    assert Note.parse(str(note)) == note
    assert note.signed_by([ENOCH.verifier, WITNESS.verifier]) == {
        ENOCH.verifier: None,
        WITNESS.verifier: 17,
    }
    assert note.signed_by([]) == {}


def test_the_same_line_is_added_once() -> None:
    note = sign(TEXT, [PETER])

    assert note.with_signatures(note.signatures) == note


def test_signatures_of_other_keys_do_not_count_though_they_share_name_or_id() -> None:
    namesake = SigningKey("PeterNeumann", bytes(32))
    note = sign(TEXT, [namesake])

    assert note.signed_by([PETER.verifier]) == {}


@pytest.mark.parametrize("key", [PETER.verifier, WITNESS.verifier], ids=["note", "cosignature"])
def test_a_wrong_signature_of_a_known_key_refuses_the_whole_note(key: VerifierKey) -> None:
    false = Signature(name=key.name, key_id=key.id, signature=bytes(72))
    note = sign(TEXT, [PETER, ENOCH]).with_signatures([false])

    with pytest.raises(NoteError, match=key.name):
        note.signed_by([ENOCH.verifier, key])
    assert note.signed_by([ENOCH.verifier]) == {ENOCH.verifier: None}


@pytest.mark.parametrize("place", range(len(TEXT)))
def test_every_change_of_the_text_shows(place: int) -> None:
    text = TEXT[:place] + ("x" if TEXT[place] != "x" else "y") + TEXT[place + 1 :]

    with pytest.raises(NoteError):
        Note.parse(f"{text}\n{LINE}").signed_by([PETER.verifier])


def hostile() -> Iterator[tuple[str, str | bytes, str]]:
    yield "nothing", "", "a text, an empty line"
    yield "no signatures", TEXT, "a text, an empty line"
    yield "no text", f"\n\n{LINE}", "a text, an empty line"
    yield "an empty list of signatures", f"{TEXT}\n", "line"
    yield "the last line does not end", NOTE[:-1], "does not end"
    yield "CR LF", NOTE.replace("\n", "\r\n"), "control"
    yield "CR in the text", NOTE.replace("problem,", "prob\rlem,"), "control"
    yield "NUL", NOTE.replace("problem,", "prob\0lem,"), "control"
    yield "an escape sequence", NOTE.replace("problem,", "\x1b[2J"), "control"
    yield "a tab", NOTE.replace("problem,", "\t"), "control"
    yield "no UTF-8", NOTE.encode().replace(b"problem,", b"\xff"), "UTF-8"
    yield "a lone surrogate", NOTE.replace("problem,", "\ud800"), "UTF-8"
    yield "a hyphen for the dash", NOTE.replace("—", "-"), "a line"
    yield "no space behind the dash", NOTE.replace("— ", "—"), "a line"
    yield "two spaces", NOTE.replace("— ", "—  "), "a line"
    yield "no name", NOTE.replace("— PeterNeumann", "— "), "a line"
    yield "a plus in the name", NOTE.replace("PeterN", "Peter+N"), "a line"
    yield "a space in the name", NOTE.replace("PeterN", "Peter N"), "base64"
    yield "an odd space in the name", NOTE.replace("PeterN", "Peter\u2003N"), "a line"
    yield "something behind the signature", NOTE.replace("nAM=\n", "nAM= \n"), "base64"
    yield "padding missing", NOTE.replace("nAM=\n", "nAM\n"), "base64"
    yield "bits behind the end", NOTE.replace("nAM=\n", "nAN=\n"), "base64"
    yield "an id alone", f"{TEXT}\n— PeterNeumann x08gow==\n", "too short"
    yield "too many signatures", f"{TEXT}\n{LINE * (MAX_SIGNATURES + 1)}", "more than"
    yield "too large", "x" * MAX_NOTE_BYTES + NOTE, "at most"


@pytest.mark.parametrize(
    ("raw", "problem"), [one[1:] for one in hostile()], ids=[one[0] for one in hostile()]
)
def test_what_is_no_note_is_refused(raw: str | bytes, problem: str) -> None:
    with pytest.raises(NoteError, match=problem):
        Note.parse(raw)


def test_sixteen_large_signatures_and_more_are_read() -> None:
    large = [Signature(name=f"w{n}", key_id=bytes(4), signature=bytes(4700)) for n in range(16)]
    note = sign(TEXT, [PETER]).with_signatures(large)

    assert Note.parse(str(note)) == note


def test_the_last_empty_line_ends_the_text() -> None:
    text = f"first\n\n{LINE}\nlast\n"
    note = sign(text, [PETER])

    assert Note.parse(str(note)).text == text


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_refused(raw: bytes) -> None:
    try:
        note = Note.parse(raw)
    except NoteError:
        return
    assert str(note).encode() == raw


@given(st.text(st.sampled_from("a—\n +=A\u2003\r"), max_size=40))
def test_what_is_read_is_written_again_as_it_was(raw: str) -> None:
    try:
        note = Note.parse(f"{raw}\n{LINE}")
    except NoteError:
        return
    assert str(note) == f"{raw}\n{LINE}"


@given(st.integers(0, len(NOTE) - 1), st.characters())
def test_no_single_character_can_be_another(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with suppress(NoteError):
        assert Note.parse(changed).signed_by([PETER.verifier]) == {}


def test_lines_of_signatures_are_read_by_themselves() -> None:
    signatures = sign(TEXT, [PETER, ENOCH]).signatures

    assert read_signatures(lines(signatures)) == signatures
    with pytest.raises(NoteError):
        read_signatures("")


def test_many_checkpoints_in_one_file_are_told_apart() -> None:
    notes = [str(sign(f"o/0\n{size}\nroot\n", [PETER, ENOCH])) for size in range(5)]

    assert split_notes("\n".join(notes)) == notes
    assert split_notes("".join(notes)) == notes
    assert split_notes("\n\n\n".join(notes) + "\n\n") == notes
    assert split_notes(notes[0]) == notes[:1]
    assert split_notes("\n\n\n") == []
    assert split_notes("nonsense") == []
    cut = f"{notes[0]}\n{notes[1][:9]}\n\n{notes[2]}"
    assert split_notes(cut) == [notes[0], notes[2]]
