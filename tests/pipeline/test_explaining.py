"""A recorded call is explained by deciding it again, and by what earlier calls returned."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.audit.event import event
from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.audit.record import interrupted
from callgate.model import Json, Reply
from callgate.pipeline.explaining import Explained, Explainer, pages
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, CallFilter, Page, TargetRequest
from callgate.protocol.definitions import read_tool
from fakes.calls import SCHEMA, a_call, a_principal
from fakes.gateway import a_gateway
from fakes.recorded import FakeRecords, defined
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeConnector

REFUND = read_tool("shop", {"name": "refund", "inputSchema": SCHEMA})
RULES = """
@id("small") permit(principal in Callgate::Group::"agents", action, resource)
when { context.input.amount <= 100 };
"""
FOUND = b'{"content":[{"type":"text","text":"the customer is ACME-77120 of Delft"}]}'


async def answer(_request: TargetRequest, _caller: Caller) -> Reply:
    return Reply(body=FOUND)


def gateway_of(**more: Any) -> Gateway:
    ada = a_principal("ada", "agents")
    return a_gateway(
        policies=RULES,
        tools=(REFUND,),
        authenticator=FakeAuthenticator(anonymous=ada),
        connector=FakeConnector(answer=answer),
        **more,
    )


def call(gateway: Gateway, number: int, **arguments: Any) -> None:
    made = a_call(
        id=f"c{number}",
        arguments={"customer": "somebody", "amount": 5, **arguments},
        received_at=1_790_000_000.0 + number * 60,
        session_id="s1",
    )
    asyncio.run(govern(made, gateway, FakeCaller()))


def records_of(gateway: Gateway) -> FakeRecords:
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    return FakeRecords([defined(gateway.engine), *store.kept])


def explained(gateway: Gateway, call_id: str) -> Explained:
    found = Explainer(records_of(gateway)).explain(call_id)
    assert found is not None
    return found


def lines(found: Explained, title: str) -> list[str]:
    return [line for one in found.explanation.sections if one.title == title for line in one.lines]


def test_a_refusal_is_told_with_what_would_turn_it() -> None:
    gateway = gateway_of()
    call(gateway, 1, amount=480)
    found = explained(gateway, "c1")

    assert lines(found, "What would change it") == [
        "It would be permitted if amount were 100 instead of 480 (then: permitted by small)."
    ]
    assert not any("would be permitted" in line for line in lines(found, "Policy"))
    assert found.prospect is not None
    assert found.prospect.turns[0].edits[0].after == 100


def test_a_permit_is_told_with_what_would_refuse_it() -> None:
    gateway = gateway_of()
    call(gateway, 1)
    found = explained(gateway, "c1")

    assert lines(found, "What would change it")[0].startswith(
        "It would be refused if amount were 101 instead of 5"
    )
    assert lines(found, "What came from earlier calls") == []
    assert lines(found, "Policy")[:3] == [
        "Policy permits the call: policy small (p:2).",
        "The permit small (p:2) permits it.",
        "  context.input.amount <= 100 (3): holds; context.input.amount is 5",
    ]


def test_what_earlier_results_fed_is_told() -> None:
    gateway = gateway_of()
    call(gateway, 1)
    call(gateway, 2, customer="ACME-77120")
    call(gateway, 3, customer="ACME-77120")
    found = explained(gateway, "c2")

    assert lines(found, "What came from earlier calls") == [
        "/customer is what shop___refund (call c1) returned at /content/0/text: "
        "an id, address or name out of it."
    ]
    assert found.sources == {1: "c1"}
    assert found.is_whole
    elsewhere = FakeRecords(records_of(gateway).entries_, lie_elsewhere=True)
    assert Explainer(elsewhere).explain("c2") == found


def test_what_is_masked_is_not_guessed() -> None:
    gateway = gateway_of(keeping=Keeping(masks=Masks.parse(("amount",))))
    call(gateway, 1, amount=480)

    (line,) = lines(explained(gateway, "c1"), "What would change it")
    assert line.startswith("What would change it cannot be known: ")
    assert "amount" in line


def test_where_the_policies_of_the_moment_are_gone_the_rest_is_told() -> None:
    gateway = gateway_of()
    call(gateway, 1, amount=480)
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    kept = [entry for entry in store.kept if not entry.call_id.startswith("policies:")]
    found = Explainer(FakeRecords(kept)).explain("c1")

    assert found is not None
    assert lines(found, "What would change it") == [
        "What would change it cannot be known: the record does not hold the policies of that moment."
    ]
    assert lines(found, "Policy")


def test_a_call_that_policy_was_never_asked_about_has_nothing_to_turn() -> None:
    gateway = gateway_of()
    call(gateway, 1, amount="many")
    found = explained(gateway, "c1")

    assert found.prospect is None
    assert lines(found, "What would change it") == []


def test_a_call_that_was_taken_for_interrupted_is_told_with_how_it_did_end() -> None:
    gateway = gateway_of()
    call(gateway, 1)
    intent = next(one for one in gateway.store.kept if one.kind == "intent")  # type: ignore[attr-defined]
    said: dict[str, Json] = {"of": "c1", "code": "ok", "ran": "yes", "delivered": True}
    entries = [intent, interrupted(intent.body, 1_790_000_100.0)]
    late = event("call_ended_after_all", 1_790_000_200.0, said, identifier="ended:c1")

    unknown = Explainer(FakeRecords([*entries])).explain("c1")
    known = Explainer(FakeRecords([*entries, late])).explain("c1")

    assert unknown is not None
    assert known is not None
    assert unknown.as_json()["ended_after_all"] is None
    assert known.as_json()["ended_after_all"]["ran"] == "yes"
    assert lines(known, "Outcome")[:-3] == lines(unknown, "Outcome")
    assert lines(known, "Outcome")[-1] == "The result was delivered."


def test_an_unknown_call_is_none() -> None:
    assert Explainer(FakeRecords([])).explain("c9") is None


def test_all_pages_are_read() -> None:
    class Paged(FakeRecords):
        def calls(self, chosen: CallFilter) -> Page:
            return Page(calls=({"call": "c1"},), next=None if chosen.after else "more")

    assert len(list(pages(Paged([]), CallFilter()))) == 2


@pytest.mark.parametrize("number", [1, 2])
def test_calls_of_other_runs_do_not_matter(number: int) -> None:
    gateway = gateway_of()
    call(gateway, 1)
    made = a_call(
        id="c2",
        arguments={"customer": "ACME-77120", "amount": 5},
        received_at=1_790_000_060.0,
        session_id="other",
    )
    asyncio.run(govern(made, gateway, FakeCaller()))

    assert lines(explained(gateway, f"c{number}"), "What came from earlier calls") == []
