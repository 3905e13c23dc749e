"""What an analysis says of a policy set: findings, each with an example that Cedar confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from callgate.model import Json, Principal, Tool, Value
from callgate.policy.names import Names
from callgate.policy.source import Policy

HIERARCHY = "flat groups: a principal may be in any of the groups that policies name, and in others"
"""How group membership is modelled: the hierarchy mode that a report states."""


PRINCIPAL_KINDS: Mapping[str, str] = {Names.USER: "jwt", Names.ANONYMOUS: "anonymous"}
"""The types of principals that can call, and the kind of proof that makes one (`facts_of`)."""


class FindingKind(StrEnum):
    """What can be wrong with a policy set. The values are stable: they are SARIF rule ids."""

    NEVER_MATCHES = "never_matches"
    ALWAYS_MATCHES = "always_matches"
    SHADOWED = "shadowed"
    OVERRIDDEN = "overridden"
    CONTRADICTORY = "contradictory"
    REDUNDANT = "redundant"
    MAY_ERROR = "may_error"
    ALLOWS_EVERYONE = "allows_everyone"
    DENIES_EVERYONE = "denies_everyone"


class Severity(StrEnum):
    """How bad it is; SARIF's levels are `error`, `warning` and `note` for `info`."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Rule(Value):
    """One kind of finding, in words: for `--sarif`, for documents, for `--explain`."""

    kind: FindingKind
    title: str
    help: str


class Example(Value):
    """One request that shows what a finding says. It was put to Cedar before it was reported."""

    principal: Principal
    principal_type: str  # OAuthUser | UnauthenticatedUser
    tool: str  # qualified name
    arguments: dict[str, Json]
    enriched: dict[str, dict[str, Json]]
    now: float  # seconds since the epoch
    outcome: str  # what Cedar said, in words: `permitted by a, b`

    def sentence(self) -> str:
        """The request and its outcome in one line."""
        return f"{self.who()} calls {self.tool} with {_compact(self.arguments)}: {self.outcome}"

    def who(self) -> str:
        """The principal in words: `OAuthUser "ada" in finance`."""
        groups = f" in {', '.join(self.principal.groups)}" if self.principal.groups else ""
        return f'{self.principal_type} "{self.principal.id}"{groups}'


class Finding(Value):
    """Something a policy set means that its author hardly meant; proven, not guessed."""

    kind: FindingKind
    severity: Severity
    policies: tuple[str, ...]  # ids: the one it is about first; () where it is about a tool
    tools: tuple[str, ...]  # qualified names, sorted: where it was proven
    message: str  # a plain sentence, without the policy's id and file
    aliases: tuple[str, ...] = ()  # AgentCore's FindingType: ALLOW_ALL, DENY_NONE, …
    example: Example | None = None


class Undecided(Value):
    """A question the analysis could not answer, and why. Never silently dropped."""

    question: str  # `does "a" ever match?`
    tools: tuple[str, ...]
    reason: str  # `not analysable: …`, `the solver gave up after 2 s`
    policies: tuple[str, ...] = ()


class Report(Value):
    """Everything an analysis found out."""

    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]
    tools: int  # how many were looked at
    environments: int  # how many differed for the policies: each was analysed once
    queries: int  # what the solver was asked
    hierarchy: str = HIERARCHY

    def aliases_of(self, policy: str) -> tuple[str, ...]:
        """AgentCore's finding types of one policy; VALID where there is nothing to say of it."""
        found = {a for f in self.findings if policy in f.policies[:1] for a in f.aliases}
        if any(policy in item.policies for item in self.undecided):
            found.add("NOT_TRANSLATABLE")
        return tuple(sorted(found)) or ("VALID",)


class Subject(Value):
    """A policy set, and the tools that it governs."""

    policies: tuple[Policy, ...]
    tools: tuple[Tool, ...]  # also methods of MCP, where they matter: protocol.methods.method_tool
    names: Names = Names()
    enrichments: Mapping[str, Mapping[str, str]] = {}  # as Engine takes them
    since: float = 0.0  # calls come at this instant or later (seconds since the epoch)


def _compact(value: Json) -> str:
    return msgspec.json.encode(value).decode()


RULES: tuple[Rule, ...] = (
    Rule(
        kind=FindingKind.NEVER_MATCHES,
        title="The policy can never apply",
        help="No request satisfies its scope and conditions, for any tool it is meant for. "
        "Correct the condition, or delete the policy.",
    ),
    Rule(
        kind=FindingKind.ALWAYS_MATCHES,
        title="The conditions never make a difference",
        help="Every request in the scope of the policy satisfies its conditions. Correct them, "
        "or delete them to say plainly that the scope alone decides.",
    ),
    Rule(
        kind=FindingKind.SHADOWED,
        title="Another policy of the same effect does all that this one does",
        help="Delete the policy, or narrow the one that covers it.",
    ),
    Rule(
        kind=FindingKind.OVERRIDDEN,
        title="Forbids cancel everything that this permit permits",
        help="Narrow the forbids, or delete the permit.",
    ),
    Rule(
        kind=FindingKind.CONTRADICTORY,
        title="Policies contradict each other",
        help="A permit and a forbid apply to exactly the same requests, or permits name a tool "
        "that nobody can ever use. The forbid wins: delete one of them.",
    ),
    Rule(
        kind=FindingKind.REDUNDANT,
        title="Other policies of the same effect do all that this one does, taken together",
        help="Delete the policy, or narrow those that cover it.",
    ),
    Rule(
        kind=FindingKind.MAY_ERROR,
        title="The evaluation of the policy can fail",
        help="A policy that fails refuses the call, a permit as well. Bound the values before "
        "calculating with them, and ask `has` before reading what may be absent.",
    ),
    Rule(
        kind=FindingKind.ALLOWS_EVERYONE,
        title="Everyone may use the tool, whatever the arguments",
        help="Also a caller without any identity is permitted. Scope the permits to a type of "
        "principal or to groups.",
    ),
    Rule(
        kind=FindingKind.DENIES_EVERYONE,
        title="Nobody may use the tool, whatever the arguments",
        help="Permits reach the tool, but forbids or failing policies refuse every call of it.",
    ),
)
"""What each kind of finding means and what to do about it, in the order of FindingKind."""
