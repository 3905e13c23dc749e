"""What a test sees of a call, and what is kept of it."""

import asyncio

import pytest

from callgate.audit.keeping import Keeping
from callgate.audit.telling import intent, outcome
from callgate.model import Outcome, Reply
from callgate.ports import Unanswerable
from callgate.testing.outcomes import Agent, MemoryStore, ended
from fakes.store import an_ending_call


def test_intent_and_outcome_are_one_record() -> None:
    store = MemoryStore()
    call = an_ending_call("c1", labels=("pii",), reply=Reply(body=b'{"content":[]}'))
    asyncio.run(store.append(intent(call, 1.0, Keeping())))
    over = Outcome(call=call, is_delivered=True)
    store.append_soon(outcome(over, 2.0, Keeping()))
    store.append_soon(outcome(Outcome(call=an_ending_call("c2")), 3.0, Keeping()))

    told = ended(over, store, Agent(), {"amount": 5})

    assert (told.code, told.is_refused, told.ran, told.labels) == ("ok", False, "yes", ("pii",))
    assert told.result == {"content": []} and told.sent == {"amount": 5}
    assert told.record["arguments"] == {"customer": "c1", "amount": 5}
    assert [entry["kind"] for entry in told.record["entries"]] == ["intent", "outcome"]
    assert told.explained.startswith("Call c1\n")


def test_of_a_refusal_nothing_is_delivered_and_the_text_is_the_reason() -> None:
    store = MemoryStore()
    over = Outcome(call=an_ending_call("c1"), refusal_code="not_permitted", reason="No.")
    store.append_soon(outcome(over, 2.0, Keeping()))

    told = ended(over, store, Agent(), None)

    assert (told.code, told.is_refused, told.result, told.text) == (
        "not_permitted",
        True,
        None,
        "No.",
    )


def test_an_agent_hears_and_cannot_be_asked() -> None:
    agent = Agent()
    asyncio.run(agent.notify("notifications/progress", {"progress": 1}))

    assert agent.told == [("notifications/progress", {"progress": 1})]
    with pytest.raises(Unanswerable):
        asyncio.run(agent.ask("elicitation/create", {}))
