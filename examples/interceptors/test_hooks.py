"""The interceptors by themselves, and in the gateway with its policies: `pytest` runs them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import hide_address, whole_cents

from callgate.testing import (
    Governed,
    a_principal,
    a_request,
    a_result,
    attach,
    decide,
    governed,
)

CONFIG = Path(__file__).with_name("callgate.yaml")


@pytest.fixture
def gate() -> Iterator[Governed]:
    """The gateway of callgate.yaml: its policies, interceptors and targets, without a server."""
    with governed(CONFIG) as gate:
        yield gate


def test_cents_are_whole() -> None:
    decision = decide(whole_cents, a_request({"customer": "c-1", "amount": 9.999}))

    assert decision is not None
    assert decision.arguments == {"customer": "c-1", "amount": 10.0}
    assert decide(whole_cents, a_request({"customer": "c-1", "amount": 9.99})) is None


def test_what_was_changed_is_sent_and_recorded(gate: Governed) -> None:
    seen = gate.call("shop___refund", {"customer": "c-1", "amount": 9.999})

    assert (seen.code, seen.text) == ("ok", '{"refunded":10.0}')
    assert seen.changes[0]["patch"] == [{"op": "replace", "path": "/amount", "value": 10.0}]


def test_policy_decides_by_what_an_interceptor_found_out(gate: Governed) -> None:
    seen = gate.call("shop___refund", {"customer": "c-2", "amount": 5})

    assert (seen.code, seen.ran, seen.facts) == ("not_permitted", "no", {"history": {"refunds": 4}})
    assert "Ask a person" in seen.reason


def test_an_interceptor_refuses_in_its_own_words(gate: Governed) -> None:
    seen = gate.call("shop___refund", {"customer": "c-9", "amount": 5})

    assert (seen.code, seen.text) == (
        "refused_by_interceptor",
        "There is no such customer. Look the number up first.",
    )


def test_policy_sees_the_arguments_as_they_were_changed(gate: Governed) -> None:
    at_the_limit = gate.call("shop___refund", {"customer": "c-1", "amount": 100.004})
    above = gate.call("shop___refund", {"customer": "c-1", "amount": 100.01})

    assert (at_the_limit.code, above.code) == ("ok", "not_permitted")


def test_addresses_are_for_dispatch(gate: Governed) -> None:
    for_all = gate.call("shop___customer", {"customer": "c-1"})
    for_dispatch = gate.call(
        "shop___customer", {"customer": "c-1"}, principal=a_principal("dan", "dispatch")
    )

    assert "Byron" not in str(for_all.result) and for_all.labels == ("customer-data",)
    assert "Byron" in for_dispatch.text


def test_other_answers_of_the_target_are_a_line_of_the_test() -> None:
    answer = {"name": "Eve", "address": "3 Hill Street"}
    hidden = attach(hide_address, "result")
    with governed(interceptors=[hidden], tools={"shop___customer": answer}) as gate:
        seen = gate.call("shop___customer", {"customer": "c-3"})

    assert seen.result is not None
    assert seen.result["structuredContent"] == {"name": "Eve", "address": "[hidden]"}


def test_what_failed_is_shown_as_it_is() -> None:
    assert decide(hide_address, a_result({"content": [], "isError": True})) is None
