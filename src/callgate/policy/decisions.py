"""The Python API of `callgate.policy`: a set of policies that decides, explains, lists, checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from callgate.model import CALL_TOOL, Json, Principal, Tool, Verdict, split_name
from callgate.policy.account import Account
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.schema import RESERVED_KEYS
from callgate.policy.source import Policy, PolicyError, read_policies
from callgate.policy.validation import Finding, findings
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.jsonrpc import find_key
from callgate.protocol.methods import METHODS, method_tool
from callgate.protocol.validators import Validators

__all__ = ["Account", "Finding", "Names", "Policy", "PolicyError", "PolicySet", "Principal", "Tool",
           "Verdict", "principal", "tool"]  # fmt: skip

Enriched = Mapping[str, Mapping[str, Json]]


def principal(
    identifier: str,
    *,
    groups: Iterable[str] = (),
    claims: Mapping[str, Json] | None = None,
    tenant: str | None = None,
    agent: str | None = None,
    is_anonymous: bool = False,
) -> Principal:
    """Who calls, as a verified token would have told it. `claims` are what policies read as tags.

    Keep it: a policy set remembers what it found out for a principal by the object.
    """
    told = dict(claims or {})
    issuer = told.get("iss")
    return Principal(
        id=identifier,
        issuer=issuer if isinstance(issuer, str) else "",
        kind="anonymous" if is_anonymous else "jwt",
        claims=told,
        groups=tuple(groups),
        tenant=tenant,
        agent=agent,
    )


def tool(name: str, input_schema: dict[str, Json] | None = None) -> Tool:
    """A tool by its full name, `<target>___<tool>`, with the JSON Schema of its arguments.

    A method of MCP (`shop___resources/read`) has a schema of its own. Raises ValueError where the
    name or the schema cannot be used.
    """
    names = split_name(None, name)
    if names is None or not all(names):
        raise ValueError(f"{name!r}: a tool is named `<target>___<tool>`, such as shop___refund")
    if names[1] in METHODS and names[1] != CALL_TOOL:
        if input_schema is not None:
            raise ValueError(f"{name}: leave out the schema; that of {names[1]} is known")
        return method_tool(*names)
    schema = {"type": "object"} if input_schema is None else input_schema
    try:
        return read_tool(names[0], {"name": names[1], "inputSchema": schema})
    except Unusable as unusable:
        raise ValueError(f"The tool {name} {unusable}.") from None


def verdict_on(engine: Engine, question: Question) -> Verdict:
    """What the gateway goes by. A list needs no permit: it holds just what could be used."""
    if not METHODS[question.tool.method].is_list:
        return engine.authorize(question)
    is_forbidden = engine.is_forbidden(question.principal, question.tool, question.now)
    reason = "the list is forbidden" if is_forbidden else "a list of what could be used"
    return Verdict(is_permitted=not is_forbidden, reason=reason, version=engine.version)


class PolicySet:
    """An immutable set of Cedar policies, as a gateway would decide by it; not for several threads.

    `enrichments` declares the facts of interceptors that policies may read, by interceptor and
    fact, as in the configuration: `{"risk": {"score": "long"}}`.
    """

    def __init__(
        self,
        sources: Iterable[tuple[str, str]],
        *,
        names: Names | None = None,
        enrichments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Policies of (name, text) pairs. Raises PolicyError with file, line, column and a fix."""
        self._names = names or Names()
        self._engine = Engine(read_policies(sources), self._names, enrichments)
        self._validators = Validators()

    @classmethod
    def from_text(cls, text: str, source: str = "policies.cedar") -> PolicySet:
        """The policies in a text. Raises PolicyError."""
        return cls([(source, text)])

    @classmethod
    def from_files(cls, *paths: Path | str) -> PolicySet:
        """The policies in some files. Raises PolicyError, OSError, UnicodeDecodeError."""
        return cls([(Path(path).name, Path(path).read_text("utf-8")) for path in paths])

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies, in their order; each has `id`, `source`, `line`, `effect`, `text`."""
        return self._engine.policies

    @property
    def version(self) -> str:
        """A short digest that changes with any policy; verdicts carry it."""
        return self._engine.version

    def decide(
        self,
        principal: Principal,
        tool: Tool,
        arguments: dict[str, Json] | None = None,
        *,
        at: datetime | None = None,
        enriched: Enriched | None = None,
    ) -> Verdict:
        """May this principal call this tool so? Arguments that do not fit the tool are refused.

        Raises ValueError where a policy in scope reads the time and `at` does not say it.
        """
        question = self._question(principal, tool, arguments, at, enriched)
        problem = self._problem(tool, question.arguments)
        if problem is not None:
            return Verdict(is_permitted=False, reason=problem, version=self.version)
        return verdict_on(self._engine, question)

    def explain(
        self,
        principal: Principal,
        tool: Tool,
        arguments: dict[str, Json] | None = None,
        *,
        at: datetime | None = None,
        enriched: Enriched | None = None,
    ) -> Account:
        """The same with every policy in scope, clause by clause, and what would change it."""
        question = self._question(principal, tool, arguments, at, enriched)
        verdict = self.decide(principal, tool, arguments, at=at, enriched=enriched)
        if METHODS[tool.method].is_list or self._problem(tool, question.arguments) is not None:
            return Account(verdict=verdict, policies=())
        return self._engine.examine(question)

    def may_list(self, principal: Principal, tool: Tool, *, at: datetime | None = None) -> bool:
        """Could some arguments be permitted? What `tools/list` shows. Raises as `decide` does."""
        if METHODS[tool.method].is_list:
            return self.decide(principal, tool, at=at).is_permitted
        return self._engine.is_listed(principal, tool, self._instant(principal, tool, at))

    def check(self, tools: Iterable[Tool]) -> list[Finding]:
        """What is wrong with the policies, against these tools: all that there are."""
        tools = [tool for tool in tools if tool.method == CALL_TOOL]
        targets = {tool.target: True for tool in tools}
        engine = self._engine
        return findings(self._names, self.policies, tools, engine.enrichments, targets)

    def _question(
        self,
        principal: Principal,
        tool: Tool,
        arguments: dict[str, Json] | None,
        at: datetime | None,
        enriched: Enriched | None,
    ) -> Question:
        return Question(
            principal=principal,
            tool=tool,
            arguments=arguments or {},
            enriched=enriched or {},
            now=self._instant(principal, tool, at),
        )

    def _instant(self, principal: Principal, tool: Tool, at: datetime | None) -> float:
        if at is not None:
            if at.tzinfo is None:
                raise ValueError("`at` needs a time zone, such as datetime.UTC")
            return at.timestamp()
        if self._engine.varies_with_time(principal, [tool]):
            raise ValueError(f"a policy reads the time of {tool.qualified_name}: say it with `at`")
        return 0.0

    def _problem(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        if key := find_key(arguments, RESERVED_KEYS):
            return f"the argument key {key!r} is reserved"
        return self._validators.validate(tool, arguments)
