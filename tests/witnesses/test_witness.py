import pytest

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.audit.notes import lines, sign, witnessed
from callgate.witnesses.witness import WitnessError, cosignatures
from fakes.witnesses import AT, WITNESS, FakeLogOfLogs

LOG = FakeLogOfLogs()
LOG.grow(2)
SHOWN = LOG.shown()
TEXT = SHOWN.checkpoint.text
OTHER = SigningKey.generated("other.example", COSIGNATURE)


def test_only_the_lines_of_the_key_are_taken() -> None:
    own, other = witnessed(TEXT, WITNESS, AT), witnessed(TEXT, OTHER, AT)
    raw = lines([other, own]).encode()

    assert cosignatures(raw, SHOWN, WITNESS.verifier) == (own,)


FALSE = {
    "nothing": b"",
    "a page": b"<html>hello</html>\n",
    "no UTF-8": b"\xff\n",
    "a cosignature of another": lines([witnessed(TEXT, OTHER, AT)]).encode(),
    "a cosignature of another checkpoint": lines([witnessed(f"{TEXT}x\n", WITNESS, AT)]).encode(),
    "a signature that is none": lines(
        sign(TEXT, [SigningKey(WITNESS.verifier.name, bytes(32))]).signatures
    ).encode(),
    "one that is right and one that is not": lines(
        [witnessed(TEXT, WITNESS, AT), witnessed(f"{TEXT}x\n", WITNESS, AT)]
    ).encode(),
}


@pytest.mark.parametrize("raw", FALSE.values(), ids=FALSE)
def test_a_witness_that_lies_is_not_believed(raw: bytes) -> None:
    with pytest.raises(WitnessError, match="its answer"):
        cosignatures(raw, SHOWN, WITNESS.verifier)
