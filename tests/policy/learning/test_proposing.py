"""A draft permits all that was seen, and nothing that goes beyond the bounds of what was seen."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from callgate.model import Principal, Tool
from callgate.policy.decided import Decision
from callgate.policy.engine import Engine, Question
from callgate.policy.exact import Unrepresentable, canonical, convert, kind_of
from callgate.policy.layout import laid_out
from callgate.policy.learning.bounding import Level
from callgate.policy.learning.observing import Ledger
from callgate.policy.learning.proposing import Proposed, propose
from callgate.policy.learning.summaries import MAX_FEW, MAX_LISTED_CHARACTERS
from callgate.policy.names import Names
from callgate.policy.schema import input_shape
from callgate.policy.source import read_policies
from callgate.policy.validation import findings
from fakes.calls import a_principal
from fakes.seen import EVERYTHING, a_defined_tool, a_seen_call, learnt

REFUND, PING = (
    a_defined_tool(),
    a_defined_tool("ping", {"type": "object", "additionalProperties": False}),
)
PONG = a_defined_tool("pong", {"type": "object", "additionalProperties": False})
TOOLS = [REFUND, PING, PONG]
SHAPE = input_shape(EVERYTHING)
ADA = a_principal("ada", "support", agent="bot")
BOB = a_principal("bob", "support", agent="bot")
EVE = a_principal("eve", agent="bot")
STRANGERS = [
    a_principal("mallory", "support", agent="bot"),
    a_principal("ada", "support", agent="other"),
    a_principal("ada", "support"),
    a_principal("ada", "support", agent="bot", issuer="https://elsewhere"),
    a_principal("ada", "support", agent="bot", tenant="acme"),
    a_principal("ada", "support", agent="bot", kind="anonymous"),
]


def text_of(proposed: tuple[Proposed, ...]) -> str:
    return "\n".join(f'@id("{one.id}")\n{one.text}' for one in proposed)


def drafted(ledger: Ledger, level: Level = Level.STRICT) -> str:
    return laid_out("draft.cedar", text_of(propose(ledger, level, Names())))


def engine_of(text: str) -> Engine:
    policies = read_policies([("draft.cedar", text)])
    wrong = findings(Names(), policies, TOOLS, {}, {"shop": True})
    assert [finding.message for finding in wrong if finding.is_error] == []
    return Engine(policies, Names())


def permits(engine: Engine, principal: Principal, tool: Tool, arguments: dict[str, Any]) -> bool:
    question = Question(principal=principal, tool=tool, arguments=arguments, enriched={}, now=0.0)
    return engine.authorize(question).is_permitted


HOSTILE = st.sampled_from(
    ['"', "\\", "*", "a*", '") };', "\n// x", "\u202e", "\0", "\ufeff", "é" * 90, "x" * 81]
)
TEXTS = st.one_of(
    HOSTILE,
    st.sampled_from(
        ["A-1", "A-2", "/data/a", "/data/b/c", "https://x.example.com/v1/a", "https://y.example.com/v1/b?c=*",
         "ada@example.com", "bob@example.org", "../x", "a.b.com"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)  # fmt: skip
INTEGERS = st.one_of(st.integers(-5, 300), st.sampled_from([2**63 - 1, -(2**63), 2**70]))
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 12.25, 0.00001, 1e20, -0.0001]))
ARGUMENTS = st.fixed_dictionaries(
    {"order": TEXTS},
    optional={
        "amount": INTEGERS,
        "price": NUMBERS,
        "dry": st.booleans(),
        "note": st.one_of(st.none(), TEXTS),
        "a-b": TEXTS,
        "tags": st.lists(TEXTS, max_size=3),
        "sizes": st.lists(NUMBERS, max_size=2),
        "card": st.fixed_dictionaries({"n": TEXTS}, optional={"k": INTEGERS, "more": TEXTS}),
        "either": st.one_of(TEXTS, INTEGERS, st.fixed_dictionaries({}, optional={"z": TEXTS})),
        "free": st.dictionaries(TEXTS, INTEGERS, max_size=2),
        "rows": st.lists(
            st.fixed_dictionaries({}, optional={"kind": TEXTS, "n": NUMBERS}), max_size=2
        ),
        "any": st.one_of(st.none(), TEXTS, st.lists(INTEGERS, max_size=2)),
        "undeclared": TEXTS,
    },
)
CALLERS = st.sampled_from([ADA, BOB, EVE])
CALLS = st.lists(
    st.one_of(
        st.tuples(CALLERS, st.just(REFUND), ARGUMENTS),
        st.tuples(CALLERS, st.sampled_from([PING, PONG]), st.just({})),
    ),
    min_size=1,
    max_size=9,
)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def decisions(calls: list[tuple[Principal, Tool, dict[str, Any]]]) -> list[Decision]:
    return [
        a_seen_call(arguments, principal, tool, at=float(number))
        for number, (principal, tool, arguments) in enumerate(calls)
    ]


@SLOW
@given(CALLS, st.sampled_from(list(Level)))
def test_every_call_that_was_seen_is_permitted(
    calls: list[tuple[Principal, Tool, dict[str, Any]]], level: Level
) -> None:
    text = drafted(learnt(decisions(calls)), level)
    engine = engine_of(text)

    for principal, tool, arguments in calls:
        assert permits(engine, principal, tool, arguments), (text, arguments)


@SLOW
@given(CALLS, st.sampled_from(list(Level)))
def test_nobody_may_what_nobody_like_him_did(
    calls: list[tuple[Principal, Tool, dict[str, Any]]], level: Level
) -> None:
    engine = engine_of(drafted(learnt(decisions(calls)), level))
    seen = {(principal.id, tool.name) for principal, tool, _ in calls}
    whole = {tool.name for tool in TOOLS if {("ada", tool.name), ("bob", tool.name)} <= seen}

    for principal, tool in itertools.product([ADA, BOB, EVE, *STRANGERS], TOOLS):
        if (principal.id, tool.name) in seen and principal not in STRANGERS:
            continue
        arguments = [one for _, of, one in calls if of == tool] or [{"order": "A-1"}]
        for one in arguments:
            is_permitted = permits(engine, principal, tool, one)
            if level is Level.STRICT:
                assert not is_permitted
            elif is_permitted:
                # Only as a member of a group all of which called did, or by another issuer.
                assert tool.name in whole or (principal.id, tool.name) in seen


@SLOW
@given(CALLS, st.lists(ARGUMENTS, max_size=6), st.randoms())
def test_nothing_is_permitted_that_is_beyond_what_was_seen(
    calls: list[tuple[Principal, Tool, dict[str, Any]]],
    others: list[dict[str, Any]],
    random: Any,
) -> None:
    engine = engine_of(drafted(learnt(decisions(calls))))
    of_ada = [
        arguments for principal, tool, arguments in calls if (principal, tool) == (ADA, REFUND)
    ]
    everything = [arguments for _, tool, arguments in calls if tool == REFUND]
    mixed = []
    for one, other in itertools.product([*everything, *others], repeat=2):
        names = sorted({*one, *other})
        mixed.append(
            {name: random.choice([one, other]).get(name, one.get(name, "x")) for name in names}
        )

    for arguments in [*others, *mixed[:20]]:
        if "order" in arguments and permits(engine, ADA, REFUND, arguments):
            assert _beyond(arguments, of_ada) == []


def _beyond(arguments: dict[str, Any], seen: list[dict[str, Any]]) -> list[str]:
    """The arguments that are not within what was seen, told without any of our code for bounds."""
    problems = [] if seen else ["nothing was seen"]
    for name in EVERYTHING["properties"]:
        values = [
            one[name]
            for one in seen
            if one.get(name) is not None or (name == "any" and name in one)
        ]
        if not all(_is_exact(name, value) for value in values):
            continue  # nothing can be said of this place
        is_there = arguments.get(name) is not None or (name == "any" and name in arguments)
        if is_there and not values:
            problems.append(f"{name} was never given")
        if not is_there and len(values) == len(seen):
            problems.append(f"{name} was always given")
        if is_there and values and not _is_within(arguments[name], values):
            problems.append(f"{name} is beyond")
    undeclared = {name for one in seen for name in one.keys() - EVERYTHING["properties"].keys()}
    if arguments.keys() - EVERYTHING["properties"].keys() - undeclared:
        problems.append("an undeclared key")
    return problems


def _is_exact(name: str, value: Any) -> bool:
    def numbers(one: Any) -> Any:
        if isinstance(one, list):
            return itertools.chain.from_iterable(map(numbers, one))
        if isinstance(one, dict):
            return itertools.chain.from_iterable(map(numbers, one.values()))
        return [one] if isinstance(one, int | float) else []

    if name in ("free", "any"):
        return True
    try:
        convert(SHAPE.fields[name].shape, value, "")
    except Unrepresentable:
        return False
    return all(abs(one) < 2**63 and (one == 0 or abs(one) >= 0.0001) for one in numbers(value))


def _is_within(value: Any, seen: list[Any]) -> bool:
    kinds = {kind_of(one) for one in seen}
    if kind_of(value) not in kinds and not (
        isinstance(value, int | float) and kinds & {"integer", "number"}
    ):
        return False
    alike = [one for one in seen if kind_of(one) == kind_of(value)]
    if isinstance(value, bool):
        return value in alike
    if isinstance(value, int | float):
        numbers = [one for one in seen if isinstance(one, int | float)]
        return min(numbers) <= value <= max(numbers)
    if isinstance(value, str):
        is_few = len(set(alike)) <= MAX_FEW and all(
            len(one) <= MAX_LISTED_CHARACTERS for one in alike
        )
        return value in alike if is_few else len(value) <= max(map(len, alike))
    if isinstance(value, list):
        return len(value) <= max(map(len, alike))
    return len(canonical(value)) <= max(len(canonical(one)) for one in alike) or bool(
        value.keys() & {"n", "z"}
    )


@given(CALLS, st.randoms())
@SLOW
def test_the_same_calls_give_the_same_text_in_whatever_order(
    calls: list[tuple[Principal, Tool, dict[str, Any]]], random: Any
) -> None:
    found = decisions(calls)
    shuffled = list(found)
    random.shuffle(shuffled)

    for level in Level:
        assert drafted(learnt(shuffled), level) == drafted(learnt(found), level)


def test_tools_that_are_used_alike_share_a_policy() -> None:
    ledger = learnt(a_seen_call({}, ADA, tool) for tool in (PONG, PING))

    (one,) = propose(ledger, Level.STRICT, Names())

    assert one.id == "seen-shop-tools-ada"
    assert [tool.name for tool in one.tools] == ["ping", "pong"]
    assert (
        'action in [Callgate::Action::"shop___ping", Callgate::Action::"shop___pong"]' in one.text
    )
    assert (one.calls, [actor.id for actor in one.actors]) == (2, ["ada"])


def test_principals_that_did_the_same_share_a_policy() -> None:
    ledger = learnt(a_seen_call({"order": "A-1"}, who) for who in (BOB, ADA))

    (one,) = propose(ledger, Level.STRICT, Names())

    assert 'principal in [Callgate::OAuthUser::"ada", Callgate::OAuthUser::"bob"]' in one.text


def test_a_group_stands_for_its_members_only_where_all_that_called_did() -> None:
    calls = [a_seen_call({}, who, PING) for who in (ADA, BOB)]
    ledger = learnt(calls)

    (whole,) = propose(ledger, Level.BOUNDED, Names())
    ledger.meet(a_principal("carol", "support"))
    (part,) = propose(ledger, Level.BOUNDED, Names())

    assert 'principal in Callgate::Group::"support"' in whole.text
    assert whole.whom.groups == ("support",)
    assert "Group" not in part.text


def test_who_was_not_always_in_the_group_is_named() -> None:
    calls = [a_seen_call({}, who, PING) for who in (ADA, BOB, a_principal("ada", agent="bot"))]

    (one,) = propose(learnt(calls), Level.BOUNDED, Names())

    assert one.whom.groups == ()
    assert 'Callgate::OAuthUser::"ada"' in one.text


def test_many_principals_take_several_policies() -> None:
    many = [a_principal(f"u{number:03}") for number in range(150)]

    for level in Level:
        found = propose(learnt(a_seen_call({}, who, PING) for who in many), level, Names())

        assert len(found) == 2
        engine = engine_of(text_of(found))
        assert all(permits(engine, who, PING, {}) for who in many)


def test_an_anonymous_caller_is_none_that_has_proved_who_it_is() -> None:
    nobody = a_principal("anonymous", kind="anonymous")

    engine = engine_of(drafted(learnt([a_seen_call({}, nobody, PING)])))

    assert permits(engine, nobody, PING, {})
    assert not permits(engine, a_principal("anonymous"), PING, {})


@pytest.mark.parametrize("level", [Level.BOUNDED, Level.OPEN])
def test_what_all_share_stays_a_condition(level: Level) -> None:
    text = drafted(learnt(a_seen_call({}, who, PING) for who in (ADA, EVE)), level)

    assert 'principal.agent == "bot"' in text
    assert "issuer" not in text


def test_open_asks_for_no_arguments() -> None:
    assert "context" not in drafted(learnt([a_seen_call({"order": "A-1"}, ADA)]), Level.OPEN)


@SLOW
@given(CALLS)
def test_each_level_permits_what_the_one_before_it_does(
    calls: list[tuple[Principal, Tool, dict[str, Any]]],
) -> None:
    assume(len(calls) > 1)
    ledger = learnt(decisions(calls))
    strict, bounded, open_ = (engine_of(drafted(ledger, level)) for level in Level)

    for (principal, tool, _), (_, of, arguments) in itertools.product(calls, repeat=2):
        if of != tool:
            continue
        if permits(strict, principal, tool, arguments):
            assert permits(bounded, principal, tool, arguments)
        if permits(bounded, principal, tool, arguments):
            assert permits(open_, principal, tool, arguments)
