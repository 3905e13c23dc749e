import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.cosignatures import MAX_TIME, cosign, cosigned_at
from callgate.audit.keys import COSIGNATURE, SigningKey, VerifierKey
from callgate.audit.notes import Note
from fakes.notes import COSIGNED_AT, PUBLISHED, WITNESS_KEYS

WITNESS = SigningKey("witness.example/w1", bytes(range(32)), COSIGNATURE)


@pytest.mark.parametrize("vkey", WITNESS_KEYS)
def test_witnesses_that_run_in_public_are_understood(vkey: str) -> None:
    key, note = VerifierKey.parse(vkey), Note.parse(PUBLISHED)
    (line,) = [one for one in note.signatures if one.is_of(key)]

    assert cosigned_at(key, note.text, line.signature) == COSIGNED_AT
    assert cosigned_at(key, note.text + "more\n", line.signature) is None


@given(st.text(), st.integers(0, MAX_TIME))
def test_a_cosignature_says_when_it_was_made(text: str, at: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    made = cosign(WITNESS, text, at)

    assert cosigned_at(WITNESS.verifier, text, made) == at


@given(st.integers(0, 71), st.integers(1, 255))
def test_any_change_of_a_cosignature_shows(place: int, bits: int) -> None:
    made = cosign(WITNESS, "text\n", 1_700_000_000)
    changed = made[:place] + bytes([made[place] ^ bits]) + made[place + 1 :]

    assert cosigned_at(WITNESS.verifier, "text\n", changed) is None


@pytest.mark.parametrize("length", [0, 8, 64, 71, 73, 10_000])
def test_what_has_not_the_length_of_a_cosignature_is_none(length: int) -> None:
    assert cosigned_at(WITNESS.verifier, "text\n", bytes(length)) is None


def test_a_plain_signature_is_no_cosignature() -> None:
    plain = SigningKey("witness.example/w1", bytes(range(32)))

    with pytest.raises(ValueError, match="not the key of a witness"):
        cosign(plain, "text\n", 1)
    assert cosigned_at(WITNESS.verifier, "text\n", bytes(8) + plain.sign(b"text\n")) is None
