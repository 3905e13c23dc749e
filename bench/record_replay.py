"""Recorded decisions made again under other policies, from a record on disk. A program."""

from __future__ import annotations

import hashlib
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from record_world import BEGIN, EVERY_SECONDS, fill_with

from callgate.audit import telling
from callgate.audit.definitions import PolicyText, World, policies_defined, tool_defined
from callgate.audit.keeping import Keeping
from callgate.audit.principals import describe
from callgate.audit.record import Entry
from callgate.cli.rehearsing import Rehearsal, play
from callgate.model import Call, Era, Outcome, Principal, Proof, Ran, Reply
from callgate.pipeline.replay import Rehearsed
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import Policy, read_policies
from callgate.ports import CallFilter
from callgate.protocol.definitions import read_tool
from callgate.protocol.jsonrpc import encode

CALLS = 50_000
PER_SECOND = 1_700.0  # a million in ten minutes
KEEPING = Keeping()
SCHEMA = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "amount": {"type": "integer"},
        "currency": {"enum": ["EUR", "USD"]},
        "note": {"type": "string"},
    },
    "required": ["order", "amount"],
}
TOOLS = [
    read_tool(f"target{number % 5}", {"name": f"tool{number}", "inputSchema": SCHEMA})
    for number in range(20)
]
PRINCIPALS = [
    Principal(
        id=f"user{number}", issuer="https://idp", kind="jwt", groups=(f"g{number % 10}", "staff"),
        agent=f"agent{number % 7}", claims={"role": "clerk", "department": f"d{number % 20}"},
    )
    for number in range(50)
]  # fmt: skip
STAGES = ("identify", "resolve", "admit", "intercept_request", "authorize")
AFTER = ("record_intent", "forward", "intercept_response")
REPLY = Reply(body=json.dumps({"content": [{"type": "text", "text": "done " * 60}]}).encode())


def policies(limit: int = 900) -> tuple[Policy, ...]:
    """100 policies: five or so are in scope of a call."""
    texts = []
    for number in range(40):
        tool = TOOLS[number % 20].qualified_name
        texts.append(
            f'@id("p{number}") permit(principal in Callgate::Group::"g{number % 10}", action == '
            f'Callgate::Action::"{tool}", resource) when {{ context.input.amount < 1000 }};'
        )
    for number in range(20):
        tool = TOOLS[number].qualified_name
        texts.append(
            f'@id("all{number}") permit(principal in Callgate::Group::"staff", action == '
            f'Callgate::Action::"{tool}", resource) when {{ context.input.amount <= {limit} '
            f'&& principal.hasTag("role") && principal.getTag("role") == "clerk" }};'
        )
        texts.append(
            f'@id("no{number}") forbid(principal, action == Callgate::Action::"{tool}", resource) '
            f'when {{ context.input has note && context.input.note like "*secret {number}*" }};'
        )
    return read_policies([("bench.cedar", "\n".join(texts))])


def entries(calls: int) -> Iterator[Entry]:
    """A record of so many calls, as the call path writes it."""
    draws = random.Random(1)
    engine = Engine(policies(), Names())
    texts = [
        PolicyText(id=p.id, source=p.source, line=p.line, text=p.text) for p in engine.policies
    ]
    world = World(namespace="Callgate", gateway="main", mode="enforce")
    yield policies_defined(engine.version, texts, world, BEGIN)
    yield from (tool_defined(tool, BEGIN) for tool in TOOLS)
    yield from (describe(principal).entry(BEGIN) for principal in PRINCIPALS)
    at = BEGIN
    for number in range(calls):
        at += EVERY_SECONDS
        principal, tool = draws.choice(PRINCIPALS), draws.choice(TOOLS)
        arguments: dict[str, Any] = {"order": f"A-{number}", "amount": draws.randrange(1, 950)}
        if number % 3:
            arguments |= {"currency": "EUR", "note": "a note of a few words " * 5}
        question = Question(
            principal=principal, tool=tool, arguments=arguments, enriched={}, now=at
        )
        verdict = engine.authorize(question)
        sealed = encode(arguments)
        call = Call(
            id=f"c{int(at * 1000):012x}{number:016x}",
            received_at=at,
            era=Era.MODERN,
            protocol_version="2026-07-28",
            proof=Proof(),
            requested_name=tool.qualified_name,
            principal=principal,
            tool=tool,
            arguments=arguments,
            sealed=sealed,
            sealed_digest=hashlib.sha256(sealed).hexdigest(),
            verdict=verdict,
            decided_at=at,
            session_id=f"{number // 40:032x}",
        )
        stages = STAGES
        if verdict.is_permitted:
            yield telling.intent(call, at, KEEPING)
            call, stages = replace(call, reply=REPLY, ran=Ran.YES), (*STAGES, *AFTER)
        yield telling.outcome(
            Outcome(
                call=call,
                timings=dict.fromkeys(stages, 0.0001),
                refusal_code=None if verdict.is_permitted else "not_permitted",
                reason="",
                is_delivered=verdict.is_permitted,
            ),
            at + 0.02,
            KEEPING,
        )


def replayed(
    path: Path, candidate: tuple[Policy, ...], *, is_checked: bool
) -> tuple[float, Rehearsed]:
    """Decisions a second, reading included, and what came of them."""
    rehearsal = Rehearsal(
        config=None,
        store=str(path),
        chosen=CallFilter(with_lists=True),
        policies=candidate,
        is_checked=is_checked,
    )
    started = time.process_time()
    found = play(rehearsal, 1, lambda _: None, lambda _: None)
    return found.simulated.decided / (time.process_time() - started), found


def main(turns: int, directory: Path) -> None:
    """Prints the rows."""
    path = directory / "callgate.db"
    fill_with(path, entries(CALLS))
    same, changed = policies(), policies(limit=500)
    rows = []
    for what, candidate, is_checked in (
        ("decisions made again (one core), each recorded verdict reproduced first", changed, True),
        ("… recorded verdicts taken as they are", changed, False),
        ("… by the policies of then", same, True),
    ):
        found = []
        for _ in range(turns):
            rate, rehearsed = replayed(path, candidate, is_checked=is_checked)
            simulated = rehearsed.simulated
            assert simulated.decided == CALLS, simulated.unknown
            assert bool(simulated.flipped) is (candidate is changed)
            found.append(round(rate))
        rows.append({"what": what, "found": found, "unit": "a second", "least": PER_SECOND})
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows.append({"what": "memory of a replay, at most", "found": [round(megabytes)], "unit": "MB"})
    print(json.dumps(rows))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
