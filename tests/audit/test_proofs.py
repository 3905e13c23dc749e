import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.audit.merkle import ProofError
from callgate.audit.notes import Note, witnessed
from callgate.audit.place import position
from callgate.audit.proofs import Proof
from callgate.audit.tiles import Tree
from fakes.record import KEY, a_record

RECORD = a_record()
INDEX = 300
ENTRY = RECORD.rows[position(1, INDEX)]["body"].encode()
PROOF = Proof(
    index=INDEX,
    path=tuple(Tree(RECORD.hashes(1), 620).inclusion(INDEX)),
    checkpoint=RECORD.notes[1, 620],
)
TEXT = str(PROOF)


def test_a_proof_is_a_text_that_proves_the_entry() -> None:
    read = Proof.parse(TEXT)

    assert read == PROOF
    assert TEXT.startswith(f"c2sp.org/tlog-proof@v1\nindex {INDEX}\n")
    opened = read.check(ENTRY, [KEY.verifier])
    assert (opened.checkpoint.origin, opened.checkpoint.size) == (f"{RECORD.origin}/1", 620)


def test_it_says_which_witnesses_have_seen_it() -> None:
    witness = SigningKey.generated("witness.example", COSIGNATURE)
    note = Note.parse(PROOF.checkpoint)
    seen = note.with_signatures([witnessed(note.text, witness, 17)])
    proof = Proof(index=INDEX, path=PROOF.path, checkpoint=str(seen))

    assert proof.check(ENTRY, [KEY.verifier], [witness.verifier]).signers[witness.verifier] == 17


def test_what_others_add_is_skipped() -> None:
    text = TEXT.replace("@v1\n", "@v1\nextra YWdl\n")

    assert Proof.parse(text) == PROOF


def test_it_proves_nothing_else_and_not_for_other_keys() -> None:
    with pytest.raises(ProofError, match="another root"):
        PROOF.check(ENTRY + b" ", [KEY.verifier])
    with pytest.raises(ProofError, match="no key that is known"):
        PROOF.check(ENTRY, [SigningKey.generated(RECORD.origin).verifier])
    with pytest.raises(ProofError):
        Proof(index=INDEX + 1, path=PROOF.path, checkpoint=PROOF.checkpoint).check(
            ENTRY, [KEY.verifier]
        )


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_no_character_of_it_can_be_another(place: int, character: str) -> None:
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    if changed != TEXT:
        with pytest.raises(ProofError):
            Proof.parse(changed).check(ENTRY, [KEY.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\n\n",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace(f"index {INDEX}", f"index 0{INDEX}"),
        TEXT.replace(f"index {INDEX}", "index -1"),
        TEXT.replace(f"index {INDEX}\n", ""),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("index", "extra YQ==\nextra YQ==\nindex"),
        TEXT.replace("\n\n", "\nAAAA" * 64 + "\n\n", 1),
        TEXT + "x" * (1 << 20),
    ],
)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        Proof.parse(text)
