import base64
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.checkpoints import (
    Checkpoint,
    is_origin,
    log_of,
    log_origin,
    open_checkpoint,
    read_checkpoint,
    whole_checkpoints,
)
from callgate.audit.keys import COSIGNATURE, SigningKey, VerifierKey
from callgate.audit.merkle import MAX_SIZE
from callgate.audit.notes import NoteError, witnessed
from callgate.audit.place import MAX_LOG
from fakes.notes import COSIGNED_AT, LOG_KEY, ORIGIN, PUBLISHED, SIZE, WITNESS_KEYS

STORE = "callgate.dev/00112233445566aa"
KEY = SigningKey(STORE, bytes(range(32)))
NEXT = SigningKey(STORE, bytes(range(1, 33)))
WITNESS = SigningKey("witness.example", bytes(range(32)), COSIGNATURE)
ROOT = bytes(range(32))
ENCODED = base64.b64encode(ROOT).decode()


def test_a_published_checkpoint_is_read_and_verified() -> None:
    log = VerifierKey.parse(LOG_KEY)
    witnesses = [VerifierKey.parse(key) for key in WITNESS_KEYS]
    opened = open_checkpoint(PUBLISHED, [log], witnesses)

    assert (opened.checkpoint.origin, opened.checkpoint.size) == (ORIGIN, SIZE)
    assert opened.checkpoint.text == PUBLISHED.partition("\n\n")[0] + "\n"
    assert opened.signers == {log: None, **dict.fromkeys(witnesses, COSIGNED_AT)}


def test_a_checkpoint_says_which_log_it_is_of_how_large_it_is_and_its_root() -> None:
    made = Checkpoint(origin=log_origin(STORE, 3), size=17, root=ROOT)

    assert made.text == f"{STORE}/3\n17\n{ENCODED}\n"
    assert Checkpoint.read(made.text) == made


@given(
    st.integers(0, MAX_SIZE),
    st.binary(min_size=32, max_size=32),
    st.lists(st.text("ab—é ", min_size=1), max_size=3),
)
def test_what_is_written_is_read_as_it_was(size: int, root: bytes, extensions: list[str]) -> None:
    made = Checkpoint(origin="example.com/log", size=size, root=root, extensions=tuple(extensions))

    assert read_checkpoint(str(made.signed([KEY]))) == (made, made.signed([KEY]))


def test_keys_that_follow_each_other_sign_one_checkpoint_both() -> None:
    note = Checkpoint(origin=log_origin(STORE, 1), size=2, root=ROOT).signed([KEY, NEXT])

    assert open_checkpoint(str(note), [KEY.verifier]).signers == {KEY.verifier: None}
    assert open_checkpoint(str(note), [NEXT.verifier]).signers == {NEXT.verifier: None}


def test_a_checkpoint_of_no_known_key_is_refused_though_a_witness_has_seen_it() -> None:
    note = Checkpoint(origin=log_origin(STORE, 1), size=2, root=ROOT).signed([NEXT])
    note = note.with_signatures([witnessed(note.text, WITNESS, 1)])

    with pytest.raises(NoteError, match="no key that is known"):
        open_checkpoint(str(note), [KEY.verifier], [WITNESS.verifier])
    signers = open_checkpoint(str(note), [NEXT.verifier], [WITNESS.verifier]).signers
    assert signers == {NEXT.verifier: None, WITNESS.verifier: 1}


def hostile() -> Iterator[tuple[str, str, str]]:
    yield "nothing", "", "does not end"
    yield "an open line", f"o\n1\n{ENCODED}", "does not end"
    yield "two lines", "o\n1\n", "three lines"
    yield "an empty origin", f"\n1\n{ENCODED}\n", "none of them empty"
    yield "an empty extension", f"o\n1\n{ENCODED}\n\n", "none of them empty"
    for size in ("01", "00", "-1", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "1_0", "٣", "", "a"):
        yield f"the size {size!r}", f"o\n{size}\n{ENCODED}\n", "size|empty"
    yield "a size beyond 63 bits", f"o\n{MAX_SIZE + 1}\n{ENCODED}\n", "no size"
    yield "a size of many digits", f"o\n{'9' * 100_000}\n{ENCODED}\n", "no size"
    yield "a root that is no base64", "o\n1\nroot\n", "base64|SHA-256"
    yield "a root of 31 bytes", f"o\n1\n{base64.b64encode(bytes(31)).decode()}\n", "SHA-256"
    yield "a root in another form", f"o\n1\n{ENCODED[:-2]}9=\n", "base64"
    yield "a root in hex", f"o\n1\n{ROOT.hex()}\n", "SHA-256"


@pytest.mark.parametrize(
    ("text", "problem"), [one[1:] for one in hostile()], ids=[one[0] for one in hostile()]
)
def test_what_is_no_checkpoint_is_refused(text: str, problem: str) -> None:
    with pytest.raises(NoteError, match=problem):
        Checkpoint.read(text)


@given(st.text(st.sampled_from("o/01\n= A"), max_size=60))
def test_any_text_is_a_checkpoint_that_is_written_the_same_or_refused(text: str) -> None:
    try:
        read = Checkpoint.read(text)
    except NoteError:
        return
    assert read.text == text


@pytest.mark.parametrize("log", [0, 1, 42, MAX_LOG])
def test_the_log_is_known_by_its_origin(log: int) -> None:
    assert log_of(STORE, log_origin(STORE, log)) == log


@pytest.mark.parametrize(
    "origin",
    [STORE, "callgate.dev/other/1", f"{STORE}/01", f"{STORE}/-1", f"{STORE}/", f"{STORE}/1/1",
     f"{STORE}/{MAX_LOG + 1}", f"{STORE}/１"],
)  # fmt: skip
def test_a_log_of_another_store_is_not_one_of_ours(origin: str) -> None:
    assert log_of(STORE, origin) is None


def test_origins_of_stores_are_names() -> None:
    assert is_origin(STORE)
    for origin in ("", "a b", "a+b", "a/", "a\n", "x" * 300):
        assert not is_origin(origin)


def test_of_notes_those_are_found_that_are_whole_checkpoints_in_their_order() -> None:
    first, last = (
        str(Checkpoint(origin=STORE, size=size, root=ROOT).signed([KEY])) for size in (1, 2)
    )
    cut = first.replace(ENCODED, ENCODED[:9])
    found = list(whole_checkpoints([first, cut, "no note", last]))

    assert [(note, one.size) for note, one in found] == [(first, 1), (last, 2)]
    assert list(whole_checkpoints([])) == []
