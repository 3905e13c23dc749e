"""What everybody who decides is given: the policies, the schema and the same calls, as files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy
import policy_world
from policy_world import ENRICHMENTS, NAMES, NOW, Relevance, Rule, Use, World

from callgate.policy.context import build
from callgate.policy.entities import facts_of
from callgate.policy.schema import Shape, cedar_schema, context_shape, input_shape

DECIDED = 400  # calls that a policy decides by what it reads in the context
CACHED = 200  # calls that policies permit or forbid whatever the context
ANYBODY = 400  # calls drawn from all principals and tools
MOST_DRAWN = 40_000
GROUP = re.compile(rf'(principal(?: is \S+)?) in {NAMES.namespace}::{NAMES.GROUP}::"([^"]+)"')


@dataclass(frozen=True)
class Sheet:
    """One folder, for one number of policies."""

    folder: Path
    policies: int
    mean_slice: float  # how many policies are about a call of the first kind


class Drawer:
    """Makes the folders; what does not depend on the policies is made once."""

    def __init__(self) -> None:
        self.world = World()
        self._inputs = {t.qualified_name: input_shape(t.input_schema) for t in self.world.tools}
        self._shapes = {
            name: context_shape(shape, ENRICHMENTS) for name, shape in self._inputs.items()
        }

    def draw(self, folder: Path, count: int) -> Sheet:
        folder.mkdir(parents=True)
        rules = self.world.rules(count)
        for name, text in policy_world.files(rules):
            (folder / name).write_text(text)
        (folder / "schema.json").write_text(json.dumps(self.schema()))
        (folder / "entities.json").write_text(json.dumps(self.entities()))
        relevance = Relevance(rules)
        chosen = self.choose(rules, relevance)
        document = {kind: [self.written(use) for use in uses] for kind, uses in chosen.items()}
        (folder / "uses.json").write_text(json.dumps(document))
        slices = [len(relevance.of(use)) for use in chosen["decided"]]
        self.write_store(folder / "store", rules)
        return Sheet(folder, count, sum(slices) / max(len(slices), 1))

    def choose(self, rules: Sequence[Rule], relevance: Relevance) -> dict[str, list[Use]]:
        chosen: dict[str, list[Use]] = {"decided": [], "cached": [], "anybody": []}
        most = {"decided": DECIDED, "cached": CACHED}
        for use in self.world.uses(rules, MOST_DRAWN):
            found = relevance.of(use)
            kind = "decided" if any(rule.reads_context for rule in found) else "cached"
            if len(chosen[kind]) < most[kind] and any(rule.effect == "permit" for rule in found):
                chosen[kind].append(use)
            if all(len(chosen[kind]) == number for kind, number in most.items()):
                break
        chosen["anybody"] = list(self.world.any_uses(ANYBODY))
        return chosen

    def written(self, use: Use) -> dict[str, Any]:
        name = use.tool.qualified_name
        context = build(self._shapes[name], self._inputs[name], use.arguments, use.enriched, NOW)
        return {
            "principal": use.principal.id,
            "tool": name,
            "arguments": use.arguments,
            "enriched": use.enriched,
            "context": context,
        }

    def schema(self) -> dict[str, Any]:
        return cedar_schema(NAMES, self._contexts())

    def _contexts(self) -> Iterator[tuple[Any, Shape]]:
        for tool in self.world.tools:
            yield tool, self._shapes[tool.qualified_name]

    def entities(self) -> list[dict[str, Any]]:
        """Every principal and group of the company."""
        found = {}
        for principal in self.world.principals:
            for entity in json.loads(facts_of(principal, NAMES).entities):
                found[entity["uid"]["type"], entity["uid"]["id"]] = entity
        return list(found.values())

    def write_store(self, folder: Path, rules: Sequence[Rule]) -> None:
        """The same as a directory-based policy store of Cedarling.

        It builds an unsigned principal without parents, so that here its groups are an attribute,
        and a scope that names one is a condition on that.
        """
        schema = self.schema()
        attributes = schema[NAMES.namespace]["entityTypes"][NAMES.USER]["shape"]["attributes"]
        attributes["groups"] = {"type": "Set", "element": {"type": "String"}, "required": True}
        (folder / "policies").mkdir(parents=True)
        for name, text in policy_world.files(rules, as_attribute):
            (folder / "policies" / name).write_text(text)
        text = str(cedarpy.Schema.from_json_str(json.dumps(schema)))
        (folder / "schema.cedarschema").write_text(text)
        about = {"id": "b0a710ad0001", "name": "bench", "version": "1.0.0"}
        document = {"cedar_version": "4.4.0", "policy_store": about}
        (folder / "metadata.json").write_text(json.dumps(document))


def as_attribute(text: str) -> str:
    """The policy with a condition on `principal.groups` instead of a scope that names a group."""
    found = GROUP.search(text)
    if found is None:
        return text
    condition = f'\nwhen {{ principal.groups.contains("{found[2]}") }};'
    return GROUP.sub(r"\1", text).removesuffix(";") + condition
