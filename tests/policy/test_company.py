"""The company that the benchmark measures: its policies fit, and the few in scope decide as all do."""

import hashlib
from typing import Any

import cedarpy
import msgspec
import pytest
from bench import policy_world
from bench.policy_world import ENRICHMENTS, NAMES, NOW, Relevance, Use, World

from callgate.model import Verdict
from callgate.policy.context import build
from callgate.policy.engine import Engine, Question
from callgate.policy.entities import facts_of
from callgate.policy.preview import documented
from callgate.policy.schema import cedar_schema, context_shape, input_shape
from callgate.policy.source import Policy, read_policies
from callgate.policy.validation import findings

POLICIES = 1000


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def policies(world: World) -> tuple[Policy, ...]:
    return read_policies(policy_world.files(world.rules(POLICIES)))


def test_it_is_the_same_company_every_time(world: World) -> None:
    again = World()

    assert digest_of(again) == digest_of(world)
    assert [rule.text for rule in again.rules(10)] == [rule.text for rule in world.rules(20)[:10]]


def digest_of(world: World) -> str:
    said = [world.tools, world.principals, [rule.text for rule in world.rules(100)]]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def test_every_policy_fits_every_tool_that_it_is_about(
    world: World, policies: tuple[Policy, ...]
) -> None:
    some = dict.fromkeys(list(world.by_target)[:5], True)
    tools = [tool for target in some for tool in world.by_target[target]]

    found = findings(NAMES, policies, tools, ENRICHMENTS, dict.fromkeys(world.by_target, False))

    assert [finding.message for finding in found if finding.is_error] == []


def test_few_policies_decide_as_all_of_them_do(world: World, policies: tuple[Policy, ...]) -> None:
    engine, rules = Engine(policies, NAMES, ENRICHMENTS), world.rules(POLICIES)
    relevance, whole = Relevance(rules), documented({one.id: one.est for one in policies})
    uses = [*world.uses(rules, 150), *world.any_uses(50)]

    found = [compared(engine, whole, use) for use in uses]

    assert [ours for ours, _ in found] == [theirs for _, theirs in found]
    # The uses of both kinds are there, and the index is what finds the policies for them.
    assert {ours is None for ours, _ in found} == {True, False}
    assert 1 < sum(len(relevance.of(use)) for use in uses) / len(uses) < 10


def compared(
    engine: Engine, whole: cedarpy.PolicySet, use: Use
) -> tuple[list[str] | None, list[str] | None]:
    """The policies that permit a use, None where it is refused: Callgate's answer, and Cedar's."""
    verdict = engine.authorize(
        Question(
            principal=use.principal,
            tool=use.tool,
            arguments=use.arguments,
            enriched=use.enriched,
            now=NOW,
        )
    )
    answer = asked(whole, use)
    is_permitted = answer.allowed and not answer.diagnostics.errors
    return permitted_by(verdict), sorted(answer.diagnostics.reasons) if is_permitted else None


def permitted_by(verdict: Verdict) -> list[str] | None:
    return sorted(verdict.policies) if verdict.is_permitted else None


def asked(whole: cedarpy.PolicySet, use: Use) -> Any:
    """All policies and the whole context, to Cedar itself."""
    arguments = input_shape(use.tool.input_schema)
    shape, facts = context_shape(arguments, ENRICHMENTS), facts_of(use.principal, NAMES)
    document = cedar_schema(NAMES, [(use.tool, shape)])
    schema = cedarpy.Schema.from_json_str(msgspec.json.encode(document).decode())
    request = {
        "principal": facts.request_principal,
        "action": {"type": f"{NAMES.namespace}::Action", "id": use.tool.qualified_name},
        "resource": NAMES.uid(NAMES.GATEWAY, NAMES.gateway),
        "context": build(shape, arguments, use.arguments, use.enriched, NOW),
    }
    entities = cedarpy.Entities.from_json_str(facts.entities, schema)
    return cedarpy.is_authorized(request, whole, entities, schema)
