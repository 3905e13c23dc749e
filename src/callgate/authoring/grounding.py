"""What a model is told of this gateway: tools as Cedar sees them, groups, claims; within bounds."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from callgate.authoring.hidden import one_line
from callgate.model import Json, Tool, Value
from callgate.policy.expressions import entities_in
from callgate.policy.names import Names
from callgate.policy.schema import cedar_type, context_shape, input_shape
from callgate.policy.source import Policy
from callgate.protocol.jsonrpc import encode

MAX_TOOLS_CHARACTERS = 24_000  # of the tools that are described
MAX_NAMES_CHARACTERS = 6_000  # of the names of all others
MAX_TOOL_CHARACTERS = 4_000
MAX_DESCRIPTION_CHARACTERS = 160
MAX_VALUES = 12  # of an enumeration
MAX_KNOWN = 100  # groups, claims

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TRIVIAL = frozenset(
    {"and", "any", "are", "can", "every", "for", "from", "has", "have", "may", "more", "must",
     "not", "only", "than", "that", "the", "their", "them", "they", "this", "tool", "tools", "use",
     "when", "where", "which", "who", "with"}
)  # fmt: skip


class Ground(Value):
    """The gateway that a policy is to be for."""

    names: Names
    tools: tuple[Tool, ...]
    policies: tuple[Policy, ...] = ()  # those in force
    enrichments: Mapping[str, Mapping[str, str]] = {}
    targets: Mapping[str, bool] = {}  # name → whether its tools are known
    groups: tuple[str, ...] = ()  # known from the configuration

    @property
    def known_groups(self) -> tuple[str, ...]:
        """Groups that policies in force or the configuration name."""
        found = set(self.groups)
        for policy in self.policies:
            found.update(groups_in(policy, self.names))
        return tuple(sorted(found))

    @property
    def known_claims(self) -> tuple[str, ...]:
        """Claims that policies in force read as tags."""
        return tuple(sorted({tag for policy in self.policies for tag in tags_in(policy.est)}))


def groups_in(policy: Policy, names: Names) -> Iterator[str]:
    """Every group that a policy names, in its head or its conditions."""
    kind = f"{names.namespace}::{names.GROUP}"
    heads = [uid for uid in policy.principal.uids if uid[0] == kind]
    bodies = [condition["body"] for condition in policy.est["conditions"]]
    yield from (name for _, name in heads)
    yield from (name for of_type, name in entities_in(bodies) if of_type == kind)


def tags_in(expression: Json) -> Iterator[str]:
    """Every tag that a policy in JSON form asks for by its name."""
    if isinstance(expression, Mapping):
        for operator in ("hasTag", "getTag"):
            right = (expression.get(operator) or {}).get("right")
            if isinstance(right, Mapping) and isinstance(right.get("Value"), str):
                yield right["Value"]
        for item in expression.values():
            yield from tags_in(item)
    elif isinstance(expression, Sequence) and not isinstance(expression, str):
        for item in expression:
            yield from tags_in(item)


def relevant(tools: Iterable[Tool], text: str) -> list[Tool]:
    """The tools, those first that share rare words with a text: names count most."""
    every = list(tools)
    words = [_words_of(tool) for tool in every]
    spread = Counter(word for of_tool in words for word in of_tool)
    wanted = _stems(text)

    def score(of_tool: Mapping[str, float]) -> float:
        shared = wanted & of_tool.keys()
        return sum(of_tool[word] * math.log(1 + len(every) / spread[word]) for word in shared)

    ranked = sorted(range(len(every)), key=lambda number: (-score(words[number]), number))
    return [every[number] for number in ranked]


def _words_of(tool: Tool) -> dict[str, float]:
    """Words that stand for a tool, with their weight: a name says more than a description."""
    properties = tool.input_schema.get("properties")
    arguments = " ".join(properties) if isinstance(properties, Mapping) else ""
    found: dict[str, float] = dict.fromkeys(_stems(str(tool.definition.get("description"))), 1.0)
    found.update(dict.fromkeys(_stems(arguments), 2.0))
    found.update(dict.fromkeys(_stems(tool.qualified_name), 4.0))
    return found


def _stems(text: str) -> set[str]:
    """The words of a text, roughly without their endings, so that `refunds` finds `refund`."""
    every = {word.lower() for word in _WORD.findall(text[:20_000]) if len(word) > 2}
    words = every - _TRIVIAL
    return {re.sub(r"(?:ing|ed|es|s|e)$", "", word) if len(word) > 4 else word for word in words}


def describe(ground: Ground, text: str) -> str:
    """What there is to write policies about, as far as it matters for a text, within bounds."""
    parts, left_out, used = [], [], 0
    for tool in relevant(ground.tools, text):
        part = describe_tool(ground, tool)
        if used + len(part) > MAX_TOOLS_CHARACTERS:
            left_out.append(tool.qualified_name)
        else:
            parts.append(part)
            used += len(part)
    if left_out:
        parts.append(f"Other tools, by name only: {_some(left_out, MAX_NAMES_CHARACTERS)}\n")
    return "\n".join([*parts, _facts(ground)])


def describe_tool(ground: Ground, tool: Tool) -> str:
    """One tool: its action, and each argument with its Cedar type."""
    action = f"{ground.names.namespace}::Action::{quoted(tool.qualified_name)}"
    said = one_line(str(tool.definition.get("description") or ""), MAX_DESCRIPTION_CHARACTERS)
    lines = [f"action {action}"]
    if said:
        lines.append(f"  described by its server as {quoted(said)}")
    shape = input_shape(tool.input_schema)
    values = dict(_enumerations(tool.input_schema.get("properties"), "context.input"))
    for path, of_type, is_required in _attributes(cedar_type(shape), "context.input"):
        note = "" if is_required else ", optional"
        allowed = f", one of {values[path]}" if path in values else ""
        lines.append(f"  {path}: {of_type}{note}{allowed}")
    found = "\n".join(lines)
    if len(found) > MAX_TOOL_CHARACTERS:
        found = found[:MAX_TOOL_CHARACTERS].rpartition("\n")[0] + "\n  (more arguments)"
    return found + "\n"


def _facts(ground: Ground) -> str:
    """What is the same for every tool: the rest of the context, groups, claims, targets."""
    empty = context_shape(input_shape({"type": "object"}), ground.enrichments)
    lines = ["Beside context.input, for every tool:"]
    for path, of_type, is_required in _attributes(cedar_type(empty), "context"):
        if not path.startswith(("context.input", "context.derived")):
            lines.append(f"  {path}: {of_type}{'' if is_required else ', optional'}")
    for title, known in (
        ("Targets (groups of actions)", tuple(ground.targets)),
        ("Groups known here", ground.known_groups),
        ("Claims known here, as tags of the principal", ground.known_claims),
        ("Ids of policies that are taken", tuple(policy.id for policy in ground.policies)),
    ):
        lines.append(f"{title}: {_some(known[:MAX_KNOWN], 3000) or 'none'}")
    return "\n".join(lines) + "\n"


def _some(items: Sequence[str], most: int) -> str:
    """The items in quotes, as many as fit."""
    shown: list[str] = []
    for number, item in enumerate(items):
        most -= len(item) + 4
        if most < 0:
            return f"{', '.join(shown)} and {len(items) - number} more"
        shown.append(quoted(item))
    return ", ".join(shown)


def quoted(text: str) -> str:
    """A text as a Cedar string literal on one line: names are the targets' words, not ours."""
    return encode(one_line(text, 300)).decode()


def _attributes(of: Mapping[str, Json], path: str) -> Iterator[tuple[str, str, bool]]:
    """(path, Cedar type, whether it is always there) of every attribute below a record type."""
    for name, attribute in of.get("attributes", {}).items():
        at = (
            f"{path}.{name}"
            if name.isidentifier() and name.isascii()
            else f"{path}[{quoted(name)}]"
        )
        is_required = bool(attribute.get("required", True))
        if attribute["type"] == "Record":
            yield at, "record", is_required
            yield from _attributes(attribute, at)
        else:
            yield at, _name_of(attribute), is_required


def _name_of(of: Mapping[str, Json]) -> str:
    if of["type"] == "Set":
        return f"Set<{_name_of(of['element'])}>"
    return str(of.get("name", of["type"])).replace("Boolean", "Bool")


def _enumerations(properties: Json, path: str) -> Iterator[tuple[str, str]]:
    """The values that an argument can have, where its server says which."""
    if not isinstance(properties, Mapping):
        return
    for name, schema in properties.items():
        values = schema.get("enum") if isinstance(schema, Mapping) else None
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            yield f"{path}.{name}", _some(values[:MAX_VALUES], 600)
