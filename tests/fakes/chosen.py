"""Calls of all kinds in a record, and every question that can be asked about them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from callgate.audit.questions import Condition
from callgate.audit.record import Entry
from callgate.model import Change, Ran, Reply, Verdict
from callgate.ports import CallFilter
from fakes.calls import a_principal, a_tool
from fakes.store import NOW, an_intent, an_outcome

TOOLS = [a_tool("shop", "refund"), a_tool("shop", "list"), a_tool("files", "read")]
PEOPLE = [
    a_principal("ada", "ops", agent="helper", tenant="acme"),
    a_principal("bob", agent=None, tenant="acme"),
    a_principal("eve\x1b[2J", agent="helper", tenant=None),
    a_principal("zoë" * 300, agent="long"),  # longer than any column
]
CODES = [None, None, None, "not_permitted", "result_withheld", "target_timeout"]
MEMOS = [
    "wire transfer to Ada",
    "transfer by wire",
    "Überweisung an Zoë",
    "振込手数料",
    "a draft, nothing more",
    'quotes " and \\ and\nlines\x00',
    "x" * 200,
]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def some_calls(count: int, *, first: int = 0, seed: int = 1) -> list[Entry]:
    """Intents and outcomes of calls at the same time; of some there is only the intent."""
    draws = random.Random(seed)
    entries: list[Entry] = []
    running: list[Entry] = []
    for number in range(first, first + count):
        # Clocks step, also back.
        at = NOW + number * 10 - (5000 if number % 97 == 0 else 0)
        about = _a_call(draws, number)
        code = draws.choice(CODES)
        if code != "not_permitted":
            entries.append(an_intent(f"c{number:05}", at, **about))
        if number % 101 != 100 or code == "not_permitted":
            running.append(an_outcome(f"c{number:05}", at + 1, code, **(about | _ended(code))))
        while running and draws.random() < 0.7:
            entries.append(running.pop(draws.randrange(len(running))))
    return entries + running


def _ended(code: str | None) -> dict[str, Any]:
    if code == "not_permitted":
        return {"ran": Ran.NO, "reply": None}
    if code == "target_timeout":
        return {"ran": Ran.UNKNOWN, "reply": None}
    return {}


def _a_call(draws: random.Random, number: int) -> dict[str, Any]:
    about: dict[str, Any] = {
        "principal": draws.choice([None, *PEOPLE]),
        "tool": draws.choice(TOOLS),
        "arguments": {
            "customer": f"c{number % 7}",
            "amount": draws.choice([5, 5.5, 500, True, None, "500"]),
            "items": [{"sku": f"s{number % 3}"}, {"sku": "s9"}],
            "memo": draws.choice(MEMOS),
        },
        "session_id": draws.choice([None, "s1", "s2"]),
        "run": draws.choice([None, "r" + "1" * 28, "r" + "2" * 28]),
        "verdict": Verdict(
            is_permitted=True,
            policies=tuple(draws.sample(["p1", "p2", "p3"], 2)),
            reason="so it is",
        ),
        "reply": Reply(body=b'{"content":[{"type":"text","text":"Thank you, here it is"}]}'),
    }
    if number % 5 == 0:
        about["meta"] = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    if number % 11 == 0:
        about["changes"] = (
            Change(
                interceptor="redact", phase="request", action="changed", note="a card number",
                labels=("pii",), duration_seconds=0.001,
            ),
        )  # fmt: skip
    return about


def _where(*written: str) -> CallFilter:
    return CallFilter(where=tuple(map(Condition.parse, written)))


FILTERS: Sequence[CallFilter] = (
    CallFilter(),
    CallFilter(principal="ada"),
    CallFilter(principal="zoë" * 300),
    CallFilter(principal="eve\x1b[2J", tool="refund"),
    CallFilter(principal="nobody"),
    CallFilter(agent="helper"),
    CallFilter(tenant="acme", code="ok"),
    CallFilter(target="shop"),
    CallFilter(tool="shop___refund"),
    CallFilter(tool="shop___refund", target="files"),
    CallFilter(tool_sha256=TOOLS[2].digest),
    CallFilter(method="tools/call", is_delivered=False),
    CallFilter(code="not_permitted"),
    CallFilter(is_refused=True, run="r" + "1" * 28),
    CallFilter(ran="unknown"),
    CallFilter(ran="no", session="s1"),
    CallFilter(is_delivered=True, policy="p3"),
    CallFilter(trace=TRACE.upper()),
    CallFilter(interceptor="redact"),
    CallFilter(label="pii", principal="bob"),
    _where("arguments.amount=500"),
    _where('arguments.amount="500"'),
    _where("arguments.amount=5", "arguments.customer=c3"),
    _where("arguments.amount=true"),
    _where("arguments.amount=null"),
    _where("arguments.amount>5"),
    _where("arguments.amount!=500"),
    _where("arguments.items.sku=s2"),
    _where("arguments.items.1.sku=s9", "arguments.customer=c1"),
    _where("arguments.*=c1"),
    _where("arguments.memo~TRANSFER"),
    _where("decision.policies=p1", "result.failed=false"),
    _where("arguments.memo=" + "x" * 200),
    _where("seconds.forward"),
    CallFilter(text="wire transfer"),
    CallFilter(text='"wire transfer"'),
    CallFilter(text='transfer -"wire transfer"'),
    CallFilter(text="trans* -draft", code="ok"),
    CallFilter(text="uberweisung zoe"),
    CallFilter(text="手数"),
    CallFilter(text="thank", principal="bob"),
    CallFilter(text='"not to be"'),
    CallFilter(text="x" * 200),
    CallFilter(text="card", label="pii"),
    CallFilter(text="nowhere"),
    CallFilter(since=NOW + 5000, until=NOW + 9000),
    CallFilter(until=NOW),
    CallFilter(since=NOW + 1e9),
)
"""Each way to choose, and some together."""


def name_of(chosen: CallFilter) -> str:
    """For the names of tests."""
    default = CallFilter()
    said = (
        (name, getattr(chosen, name))
        for name in chosen.__struct_fields__
        if getattr(chosen, name) != getattr(default, name)
    )
    return ", ".join(f"{name} {_short(value)}" for name, value in said) or "all"


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return " and ".join(f"{'.'.join(one.path)}{one.operator}{one.text[:20]}" for one in value)
    return ascii(value)[:40]


def in_order(calls: Iterator[dict[str, Any]]) -> list[str]:
    """The ids, as they come."""
    return [call["call"] for call in calls]
