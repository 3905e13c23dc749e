import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.submissions import (
    MAX_SUBMISSION_BYTES,
    Submission,
    SubmissionError,
    read_size,
)

# The example of the specification.
EXAMPLE = b"""\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\xe2\x80\x94 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""


def test_the_example_of_the_specification_is_read_and_written_as_it_is() -> None:
    read = Submission.parse(EXAMPLE)

    assert (read.old_size, len(read.path)) == (20852014, 4)
    assert read.checkpoint.startswith("example.com/behind-the-sofa\n20852163\n")
    assert str(read).encode() == EXAMPLE


@given(st.integers(0, (1 << 63) - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_what_is_written_is_read_as_it_was(old: int, path: list[bytes]) -> None:
    made = Submission(old_size=old, path=tuple(path), checkpoint="o\n1\nroot\n\n— a b\n")

    assert Submission.parse(str(made).encode()) == made


STEP = base64.b64encode(bytes(32)) + b"\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"old 1\n",
        b"old 01\n\nx",
        b"old -1\n\nx",
        b"old 9223372036854775808\n\nx",
        b"old 99999999999999999999\n\nx",
        b"old\t1\n\nx",
        b"OLD 1\n\nx",
        b"old 1 \n\nx",
        b"old 1\r\n\r\nx",
        b"\n\nold 1",
        b"old 1\n?\n\nx",
        b"old 1\n" + STEP * 64 + b"\nx",
        b"\xff\n\n",
        b"old 1\n\n" + b"x" * MAX_SUBMISSION_BYTES,
    ],
)
def test_what_is_no_submission_is_refused(raw: bytes) -> None:
    with pytest.raises(SubmissionError):
        Submission.parse(raw)


def test_the_size_that_a_witness_has_seen_is_read_strictly() -> None:
    assert read_size(b"0\n") == 0
    assert read_size(b"20852163\n") == 20852163
    for raw in (
        b"",
        b"1",
        b"01\n",
        b"1\n\n",
        b"-1\n",
        b"1" * 30 + b"\n",
        b"9" * 19 + b"\n",
        b"\xff",
    ):
        with pytest.raises(SubmissionError):
            read_size(raw)
