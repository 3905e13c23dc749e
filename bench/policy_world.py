"""A made-up company for measuring and testing policy: tools, principals, policies and calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callgate.model import Principal, Tool
from callgate.policy.names import Names
from callgate.protocol.definitions import read_tool

SEED = 4
TARGETS = 50
TOOLS_PER_TARGET = 20
AGENTS = 300
USERS = 200
GROUPS = 100
POLICIES_PER_FILE = 1000
FORBID_SHARE = 0.32
NAMES = Names()
# Facts about the session, which here an interceptor called `session` has added.
ENRICHMENTS: Mapping[str, Mapping[str, str]] = {
    "session": {"calls": "integer", "has_read_secrets": "boolean", "label": "string"}
}
NOW = 1_790_000_000.0

ENVIRONMENTS = ("dev", "test", "staging", "production")
LABELS = ("public", "internal", "secret")
TEAMS = 20

Make = Callable[[random.Random], Any]


@dataclass(frozen=True)
class Property:
    """One argument that tools may have: its schema, values that calls send, tests of policies."""

    name: str
    schema: Mapping[str, Any]
    value: Make
    test: Callable[[random.Random], str]  # a Cedar expression, to follow `context.input.`


def team(rng: random.Random) -> str:
    return f"team-{rng.randrange(TEAMS):02d}"


PROPERTIES = (
    Property(
        "amount",
        {"type": "integer", "minimum": 0},
        lambda rng: rng.randrange(10_000),
        lambda rng: f"amount <= {rng.randrange(1, 100) * 100}",
    ),
    Property(
        "ratio",
        {"type": "number"},
        lambda rng: rng.randrange(1000) / 100,
        lambda rng: f'ratio.lessThan(decimal("{rng.randrange(1, 10)}.5"))',
    ),
    Property(
        "folder",
        {"type": "string"},
        lambda rng: f"/data/{team(rng)}/report-{rng.randrange(1000)}",
        lambda rng: f'folder like "/data/{team(rng)}/*"',
    ),
    Property(
        "query",
        {"type": "string"},
        lambda rng: rng.choice(("select", "delete", "update")) + f" from t{rng.randrange(100)}",
        lambda rng: f'query like "*{rng.choice(("delete", "update"))}*"',
    ),
    Property(
        "environment",
        {"type": "string", "enum": list(ENVIRONMENTS)},
        lambda rng: rng.choice(ENVIRONMENTS),
        lambda rng: f'environment == "{rng.choice(ENVIRONMENTS)}"',
    ),
    Property(
        "labels",
        {"type": "array", "items": {"type": "string"}},
        lambda rng: [team(rng) for _ in range(rng.randrange(1, 5))],
        lambda rng: f'labels.contains("{team(rng)}")',
    ),
    Property(
        "dry_run",
        {"type": "boolean"},
        lambda rng: rng.random() < 0.5,
        lambda rng: "dry_run",
    ),
    Property(
        "options",
        {
            "type": "object",
            "properties": {"depth": {"type": "integer"}, "recursive": {"type": "boolean"}},
            "required": ["depth"],
        },
        lambda rng: {"depth": rng.randrange(10), "recursive": rng.random() < 0.5},
        lambda rng: f"options.depth < {rng.randrange(1, 10)}",
    ),
)

SESSION_TESTS: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: f"has calls && context.enriched.session.calls < {rng.randrange(10, 100)}",
    lambda rng: "has has_read_secrets && !context.enriched.session.has_read_secrets",
    lambda rng: f'has label && context.enriched.session.label == "{rng.choice(LABELS)}"',
)


@dataclass(frozen=True)
class Use:
    """One tool call for policy to decide."""

    principal: Principal
    tool: Tool
    arguments: dict[str, Any]
    enriched: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Rule:
    """One policy as it was made, for finding calls that it is about."""

    text: str
    effect: str
    principals: Sequence[Principal]
    tools: Sequence[Tool]
    reads_context: bool


class Relevance:
    """Which rules are about a call: by looking at each, without any index of Callgate's."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_tool: dict[str, list[tuple[frozenset[str], Rule]]] = {}
        for rule in rules:
            names = frozenset(principal.id for principal in rule.principals)
            for tool in rule.tools:
                self._by_tool.setdefault(tool.qualified_name, []).append((names, rule))

    def of(self, use: Use) -> list[Rule]:
        found = self._by_tool.get(use.tool.qualified_name, ())
        return [rule for names, rule in found if use.principal.id in names]


class World:
    """Always the same: every draw is from a generator with a fixed seed of its own."""

    def __init__(self, targets: int = TARGETS) -> None:
        rng = random.Random(SEED)
        self.by_target = {
            f"server{number:02d}": tuple(
                a_tool(rng, f"server{number:02d}", index) for index in range(TOOLS_PER_TARGET)
            )
            for number in range(targets)
        }
        self.tools = tuple(tool for tools in self.by_target.values() for tool in tools)
        groups = nested_groups(rng)
        self.groups = tuple(groups)
        names = [f"agent-{number:03d}" for number in range(AGENTS)]
        names += [f"user-{number:03d}" for number in range(USERS)]
        self.principals = tuple(a_principal(rng, name, groups) for name in names)
        self.members = {
            group: tuple(p for p in self.principals if group in p.groups) for group in groups
        }

    def rules(self, count: int) -> list[Rule]:
        """The first `count` policies; fewer are the beginning of more."""
        rng = random.Random(SEED + 1)
        return [self._rule(rng, number) for number in range(count)]

    def uses(self, rules: Sequence[Rule], count: int) -> Iterator[Use]:
        """Calls that policies are about, each with arguments of its own."""
        rng = random.Random(SEED + 2)
        for _ in range(count):
            rule = rng.choice(rules)
            yield a_use(rng, rng.choice(rule.principals), rng.choice(rule.tools))

    def any_uses(self, count: int) -> Iterator[Use]:
        """Calls of anybody to anything: most of them no policy permits."""
        rng = random.Random(SEED + 3)
        for _ in range(count):
            yield a_use(rng, rng.choice(self.principals), rng.choice(self.tools))

    def _rule(self, rng: random.Random, number: int) -> Rule:
        effect = "forbid" if rng.random() < FORBID_SHARE else "permit"
        principal, principals = self._principal_scope(rng)
        action, tools = self._action_scope(rng)
        gateway = f'{NAMES.namespace}::{NAMES.GATEWAY}::"{NAMES.gateway}"'
        resource = rng.choice(("resource", f"resource == {gateway}"))
        # A forbid without a condition would leave nothing to decide for all whom it is about.
        conditions = a_condition(rng, tools, is_needed=effect == "forbid")
        text = f'@id("p{number:05d}")\n{effect}(\n  {principal},\n  {action},\n  {resource}\n)'
        return Rule(f"{text}{conditions};", effect, principals, tools, bool(conditions))

    def _principal_scope(self, rng: random.Random) -> tuple[str, Sequence[Principal]]:
        draw = rng.random()
        kind = f"{NAMES.namespace}::{NAMES.USER}"
        if draw < 0.06:
            return rng.choice(("principal", f"principal is {kind}")), self.principals
        if draw < 0.26:
            one = rng.choice(self.principals)
            return f'principal == {kind}::"{one.id}"', (one,)
        group = rng.choice(self.groups)
        within = f'{NAMES.namespace}::{NAMES.GROUP}::"{group}"'
        scope = f"principal is {kind} in {within}" if draw < 0.4 else f"principal in {within}"
        return scope, self.members[group] or self.principals

    def _action_scope(self, rng: random.Random) -> tuple[str, Sequence[Tool]]:
        draw = rng.random()
        kind = f"{NAMES.namespace}::Action"
        if draw < 0.55:
            tool = rng.choice(self.tools)
            return f'action == {kind}::"{tool.qualified_name}"', (tool,)
        if draw < 0.77:
            some = rng.sample(self.tools, rng.randrange(2, 6))
            listed = ", ".join(f'{kind}::"{tool.qualified_name}"' for tool in some)
            return f"action in [{listed}]", some
        if draw < 0.985:
            target = rng.choice(tuple(self.by_target))
            return f'action in {kind}::"{target}"', self.by_target[target]
        return f'action in {kind}::"{NAMES.ALL_TOOLS}"', self.tools


def a_tool(rng: random.Random, target: str, index: int) -> Tool:
    chosen = rng.sample(PROPERTIES, rng.randrange(3, 7))
    needed = [one.name for one in chosen if rng.random() < 0.5]
    return read_tool(
        target,
        {
            "name": f"tool{index:02d}",
            "description": "One of a thousand tools.",
            "inputSchema": {
                "type": "object",
                "properties": {one.name: dict(one.schema) for one in chosen},
                "required": needed,
            },
        },
    )


def nested_groups(rng: random.Random) -> dict[str, tuple[str, ...]]:
    """Group → itself and all groups above it."""
    above: dict[str, tuple[str, ...]] = {}
    for number in range(GROUPS):
        own = f"group-{number:02d}"
        parent = rng.choice(tuple(above)) if above and rng.random() < 0.6 else None
        above[own] = (own, *above[parent]) if parent is not None else (own,)
    return above


def a_principal(rng: random.Random, name: str, groups: Mapping[str, tuple[str, ...]]) -> Principal:
    """Its proof names every group it is in, those above included, as directories do."""
    own = rng.sample(tuple(groups), rng.randrange(1, 4))
    every = dict.fromkeys(group for one in own for group in groups[one])
    return Principal(
        id=name,
        issuer="https://issuer.example",
        kind="jwt",
        groups=tuple(every),
        claims={"sub": name, "scope": "tools", "exp": NOW + 3600},
    )


def a_condition(rng: random.Random, tools: Sequence[Tool], *, is_needed: bool) -> str:
    """Every attribute is guarded by `has`, so that it fits each tool in scope and never errs."""
    draw = rng.random()
    if draw < 0.25 and not is_needed:
        return ""
    parts = []
    if draw < 0.85:
        declared = rng.choice(tools).input_schema["properties"]
        offered = [one for one in PROPERTIES if one.name in declared]
        parts += [
            f"context.input has {one.name} && context.input.{one.test(rng)}"
            for one in rng.sample(offered, rng.randrange(1, 3))
        ]
    if draw >= 0.65:
        parts.append(f"context.enriched.session {rng.choice(SESSION_TESTS)(rng)}")
    word = "unless" if is_needed and rng.random() < 0.2 else "when"
    return f"\n{word} {{ {' && '.join(parts)} }}"


def a_use(rng: random.Random, principal: Principal, tool: Tool) -> Use:
    schema = tool.input_schema
    arguments = {
        one.name: one.value(rng)
        for one in PROPERTIES
        if one.name in schema["properties"]
        and (one.name in schema["required"] or rng.random() < 0.7)
    }
    session = {
        "calls": rng.randrange(100),
        "has_read_secrets": rng.random() < 0.2,
        "label": rng.choice(LABELS),
    }
    return Use(principal, tool, arguments, {"session": session})


def files(
    rules: Sequence[Rule], rewrite: Callable[[str], str] = lambda text: text
) -> list[tuple[str, str]]:
    """(name, text) of files that hold the policies, at most POLICIES_PER_FILE each."""
    found = []
    for start in range(0, len(rules), POLICIES_PER_FILE):
        texts = [rewrite(rule.text) for rule in rules[start : start + POLICIES_PER_FILE]]
        found.append((f"policies-{start // POLICIES_PER_FILE:02d}.cedar", "\n\n".join(texts)))
    return found
