"""Over any hierarchy and any scopes, the policies in scope answer exactly as all of them do."""

from typing import Any

import cedarpy
import msgspec
from cedarpy import _internal
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.answers import answer_of, verdict_of
from callgate.policy.deciding import Deciding, scopes_of
from callgate.policy.index import Lineage, ScopeIndex, Uid
from callgate.policy.preview import documented, parsed
from callgate.policy.source import Policy, read_policies
from fakes.ancestry import Ancestry

KINDS = ("Agent", "Team", "Org::Unit")
ENTITIES: list[Uid] = [(kind, f"{number}") for kind in KINDS for number in range(4)]
ACTIONS: list[Uid] = [("Action", f"{number}") for number in range(6)]
# What policies may name, though no entity is called so.
ABSENT: list[Uid] = [("Agent", "absent"), ("Action", "absent"), ("Nobody", "0")]


def uid(one: Uid) -> str:
    return f'{one[0]}::"{one[1]}"'


NAMED = st.sampled_from([*ENTITIES, *ABSENT]).map(uid)
NAMED_ACTION = st.sampled_from([*ACTIONS, ABSENT[1]]).map(uid)
KIND = st.sampled_from([*KINDS, "Nobody"])


def scope(variable: str) -> st.SearchStrategy[str]:
    """Every form that a scope of a principal or resource has."""
    return st.one_of(
        st.just(variable),
        NAMED.map(lambda one: f"{variable} == {one}"),
        NAMED.map(lambda one: f"{variable} in {one}"),
        KIND.map(lambda kind: f"{variable} is {kind}"),
        st.tuples(KIND, NAMED).map(lambda pair: f"{variable} is {pair[0]} in {pair[1]}"),
    )


ACTION = st.one_of(
    st.just("action"),
    NAMED_ACTION.map(lambda one: f"action == {one}"),
    NAMED_ACTION.map(lambda one: f"action in {one}"),
    st.lists(NAMED_ACTION, max_size=3).map(lambda some: f"action in [{', '.join(some)}]"),
)
CONDITION = st.sampled_from(
    [
        "",
        "when { context.x > 1 }",
        "when { principal.level > 1 }",
        "unless { resource has level && resource.level > 1 }",
        "when { context.x + 9223372036854775807 > 0 }",
        'when { principal in Team::"0" || action in Action::"0" }',
        "when { false } unless { context.none }",
    ]
)
POLICY = st.tuples(
    st.sampled_from(["permit", "forbid"]), scope("principal"), ACTION, scope("resource"), CONDITION
).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]}, {parts[3]}) {parts[4]};")


@st.composite
def hierarchies(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entities, each below some that come after it; some are missing though others are in them."""
    found = []
    for order in (draw(st.permutations(ENTITIES)), ACTIONS):
        for place, (kind, identifier) in enumerate(order):
            above = order[place + 1 :]
            chosen = draw(st.lists(st.sampled_from(above), max_size=3)) if above else []
            parents = [{"type": one[0], "id": one[1]} for one in dict.fromkeys(chosen)]
            levels = st.sampled_from([{}, {"level": 1}, {"level": 2}, {"level": "high"}])
            attributes = {} if kind == "Action" else draw(levels)
            entity = {"type": kind, "id": identifier}
            if kind == "Action" or draw(st.integers(0, 9)):
                found.append({"uid": entity, "attrs": attributes, "parents": parents})
    return found


REQUEST = st.tuples(
    st.sampled_from([*ENTITIES, ABSENT[0], ABSENT[2]]),
    st.sampled_from([*ACTIONS, ABSENT[1]]),
    st.sampled_from([*ENTITIES, ABSENT[0]]),
    st.sampled_from([{}, {"x": 0}, {"x": 2}, {"x": "2"}]),
)


def policies_of(texts: list[str]) -> tuple[Policy, ...]:
    """Named as Cedar names policies by their places, which `read_policies` counts from 1."""
    named = (f'@id("policy{number}") {text}' for number, text in enumerate(texts))
    return read_policies([("p", "\n".join(named))])


@settings(max_examples=500, deadline=None)
@given(hierarchies(), st.lists(POLICY, max_size=8), st.lists(REQUEST, min_size=1, max_size=5))
def test_decision_reasons_and_errors_are_those_of_all_policies(
    hierarchy: list[dict[str, Any]],
    texts: list[str],
    requests: list[tuple[Uid, Uid, Uid, dict[str, Any]]],
) -> None:
    policies = policies_of(texts)
    index = ScopeIndex(policies)
    entities = cedarpy.Entities.from_json_str(msgspec.json.encode(hierarchy).decode())
    ancestry, whole = Ancestry(entities), cedarpy.PolicySet.from_str("\n".join(texts))
    for *uids, context in requests:
        principal, action, resource = (ancestry.of(one) for one in uids)
        candidates = index.candidates(index.relevant(principal), principal, action, resource)
        request = {
            "principal": {"type": principal.own[0], "id": principal.own[1]},
            "action": {"type": action.own[0], "id": action.own[1]},
            "resource": {"type": resource.own[0], "id": resource.own[1]},
            "context": msgspec.json.encode(context).decode(),
        }

        raw = _internal.is_authorized(request, parsed(candidates), entities._inner, None, False)
        full = _internal.is_authorized(request, whole, entities._inner, None, False)

        answer = answer_of(full)
        assert answer_of(raw) == answer
        # Without their scopes they answer the same, and Cedar itself says that all of these match.
        left = documented({one.id: Deciding.whole(one).est for one in candidates})
        bare = _internal.is_authorized(request, left, entities._inner, None, False)
        assert answer_of(bare) == answer
        scopes = documented(scopes_of(policies))
        matching = _internal.is_authorized(request, scopes, entities._inner, None, False)
        assert answer_of(matching).reasons == {one.id for one in candidates}
        assert verdict_of(raw, {}, "").is_permitted == (
            answer.decision == "Allow" and not answer.failed
        )
        assert candidates == tuple(one for one in policies if is_in_scope(one, uids, ancestry))


def is_in_scope(policy: Policy, uids: list[Uid], ancestry: Ancestry) -> bool:
    """By a scan, one policy at a time."""
    scopes = (policy.principal, policy.action, policy.resource)
    return all(ancestry.of(one).meets(scope) for scope, one in zip(scopes, uids, strict=True))


def test_an_entity_is_in_itself_and_in_all_that_it_is_given() -> None:
    own, above = ("Agent", "0"), ("Team", "1")

    assert Lineage.of(own, [above]).ancestors == frozenset({own, above})
