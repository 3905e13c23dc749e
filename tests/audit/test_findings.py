import pytest

from callgate.audit.findings import LOG_CUT, Failure, LogState, Verification

STATES = (LogState(log=0, size=3, covered=3), LogState(log=1, size=20, covered=17))


@pytest.mark.parametrize(
    ("log", "seq", "last", "where"),
    [
        (None, None, None, "the store"),
        (3, None, None, "log 3"),
        (3, 7, None, "record 3/7"),
        (3, 7, 7, "record 3/7"),
        (3, 7, 9, "one of the records 3/7 to 3/9"),
    ],
)
def test_a_failure_says_where_it_is(
    log: int | None, seq: int | None, last: int | None, where: str
) -> None:
    failure = Failure(code=LOG_CUT, reason="it is missing", log=log, seq=seq, last=last)

    assert failure.where == where
    assert str(failure) == f"{where}: it is missing"


def test_a_verification_counts_what_there_is_and_what_is_under_no_checkpoint() -> None:
    found = Verification(origin="o", logs=STATES)

    assert (found.records, found.uncovered, found.holds) == (23, 3, True)
    assert not Verification(
        origin="o", logs=STATES, failures=(Failure(code=LOG_CUT, reason="x"),)
    ).holds
