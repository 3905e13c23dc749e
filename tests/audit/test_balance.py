from callgate.audit.balance import Balance
from callgate.audit.findings import CALL_TWICE, OUTCOME_WITHOUT_INTENT


def test_an_intent_and_its_outcome_are_in_balance_in_whatever_order_they_are_read() -> None:
    balance = Balance()

    assert balance.intent("c1", 1, 0) is None
    assert balance.outcome("c1", 1, 1, "yes", "ok") is None
    assert balance.outcome("c2", 1, 2, "unknown", "interrupted") is None
    assert balance.intent("c2", 2, 0) is None
    assert balance.outcome("c3", 2, 1, "no", "not_permitted") is None
    assert balance.unintended() == []


def test_a_second_intent_and_a_second_outcome_are_found() -> None:
    balance = Balance()
    balance.intent("c1", 1, 0)
    balance.outcome("c1", 1, 1, "yes", "ok")

    again, ended = balance.intent("c1", 2, 7), balance.outcome("c1", 2, 8, "yes", "ok")
    assert again is not None and (again.code, again.log, again.seq) == (CALL_TWICE, 2, 7)
    assert ended is not None and (ended.code, ended.log, ended.seq) == (CALL_TWICE, 2, 8)


def test_a_call_that_was_taken_for_dead_may_end_once() -> None:
    balance = Balance()
    balance.intent("c1", 1, 0)
    balance.outcome("c1", 2, 0, "unknown", "interrupted")

    assert balance.outcome("c1", 1, 1, "yes", "ok") is None
    assert balance.ended_twice == 1
    assert balance.outcome("c1", 3, 1, "unknown", "interrupted") is not None


def test_outcomes_without_an_intent_are_told_in_order() -> None:
    balance = Balance()
    balance.outcome("c2", 2, 0, "yes", "ok")
    balance.outcome("c1", 1, 5, "unknown", "target_lost")

    found = balance.unintended()
    assert [(one.code, one.log, one.seq) for one in found] == [
        (OUTCOME_WITHOUT_INTENT, 1, 5),
        (OUTCOME_WITHOUT_INTENT, 2, 0),
    ]
