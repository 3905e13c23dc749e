"""Of several rules of a class the first that fits decides."""

from __future__ import annotations

import pytest

from callgate.audit.retaining import LASTING, Rule, decides, fingerprint, is_of, what_of
from callgate.audit.selecting import Facts, Selector

HR = Rule(kept="payloads", seconds=1.0, selector=Selector(target="hr"))
ALL = Rule(kept="payloads", seconds=9.0)
CALLS = Rule(kept="calls", seconds=99.0)
RULES = (HR, CALLS, ALL)


def _facts(kind: str = "intent", target: str = "hr", code: str | None = None) -> Facts:
    return Facts(position=1, kind=kind, call="c1", at=0.0, target=target, code=code)


def test_the_first_that_fits_decides_within_its_class() -> None:
    assert [decides(RULES, n, _facts()) for n in range(3)] == [True, True, False]
    assert [decides(RULES, n, _facts(target="x")) for n in range(3)] == [False, True, True]


@pytest.mark.parametrize("name", [*LASTING, "principal_described"])
def test_events_that_proofs_and_policies_need_are_of_no_class(name: str) -> None:
    assert not any(is_of(kept, _facts("event", code=name)) for kept in ("events", "calls"))


def test_other_events_are_of_their_class_alone() -> None:
    login = _facts("event", code="operator_authenticated")
    assert is_of("events", login)
    assert not is_of("calls", login)
    assert not is_of("payloads", login)
    assert not is_of("calls", _facts("checkpoint"))


def test_a_rule_begins_anew_where_those_before_it_or_the_holds_are_others() -> None:
    known = fingerprint(RULES, 1, 0)
    assert known == fingerprint((HR, CALLS), 1, 0)
    assert known != fingerprint((ALL, CALLS), 1, 0)
    assert known != fingerprint(RULES, 1, 1)


def test_rules_are_told_in_words() -> None:
    assert HR.in_words("30d") == "payloads of target hr are kept for 30d"
    assert CALLS.in_words("9y") == "calls are kept for 9y"
    assert (what_of("payloads"), what_of("calls"), what_of("events")) == ("payload", "body", "body")
