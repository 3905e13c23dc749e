"""Test cases for policies, as they stand in YAML: suites, named principals, defaults, cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Discriminator, Field, Tag, ValidationError, field_validator

from callgate.config.problems import ConfigError, Problem
from callgate.config.problems import Path as KeyPath
from callgate.config.references import Resolved
from callgate.config.source import Node, read_yaml
from callgate.config.validation import nearest, problems_of
from callgate.identity.naming import Name
from callgate.model import CALL_TOOL, SEPARATOR, Json, Principal, Tool, Value, split_name
from callgate.policy.cases import Case, Expectation, Ruling
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.methods import METHODS, method_tool
from callgate.settings import Settings

MAX_SUITE_BYTES = 4 << 20
ISSUER = "https://issuer.example"  # where neither the suite nor the configuration names one


def _is_named(value: Any) -> str:
    return "<name>" if isinstance(value, str) else "<written out>"


class PrincipalSettings(Settings):
    """Who calls."""

    id: Name | None = None
    """Its id; the name it stands under, where left out."""
    groups: tuple[Name, ...] = ()
    """Groups it is a member of."""
    claims: dict[str, Json] = {}
    """Claims, for policies to read as tags."""
    tenant: Name | None = None
    """Tenant it belongs to."""
    agent: Name | None = None
    """Id of the agent that acts for it."""
    kind: Literal["jwt", "api_key", "anonymous"] = "jwt"
    """What it proved itself by."""
    issuer: str | None = None
    """Who issued the proof; of a token the first issuer of the configuration, where left out."""


class ToolSettings(Settings):
    """A tool that no target needs to be asked for."""

    description: str | None = None
    """For people."""
    inputSchema: dict[str, Json] = {"type": "object"}  # noqa: N815 - MCP's own name
    """JSON Schema of its arguments, as in tools/list."""


class ExpectSettings(Settings):
    """What a case expects of the verdict."""

    verdict: Literal["permit", "refuse", "error", "invalid"]
    """How the call comes out."""
    policies: tuple[str, ...] | None = None
    """Ids of exactly those policies that decide."""
    reason: str | None = None
    """Part of what operators are told."""
    advice: str | None = None
    """Part of what the agent is told."""


_Principal = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[PrincipalSettings, Tag("<written out>")],
    Discriminator(_is_named),
]
_Expect = Annotated[
    Annotated[Literal["permit", "refuse", "error", "invalid"], Tag("<name>")]
    | Annotated[ExpectSettings, Tag("<written out>")],
    Discriminator(_is_named),
]


class DefaultsSettings(Settings):
    """What holds for every case that does not say otherwise."""

    principal: _Principal | None = None
    """Who calls: a name, or written out."""
    tool: str | None = None
    """What is called: `<target>___<tool>` or `<target>___<method>`."""
    arguments: dict[str, Json] = {}
    """Arguments; a case changes and adds single ones."""
    facts: dict[str, dict[str, Json]] = {}
    """Facts that interceptors add: interceptor → fact → value."""
    time: AwareDatetime | None = None
    """When it is decided, as RFC 3339."""


class CaseSettings(DefaultsSettings):
    """One call, and what is expected of it."""

    name: Annotated[str, Field(min_length=1)]
    """What it shows."""
    expect: _Expect
    """`permit`, `refuse`, `error` or `invalid`; or more, written out."""


class SuiteSettings(Settings):
    """A file of cases."""

    suite: str | None = None
    """What it is about; the file's name, where left out."""
    principals: dict[str, PrincipalSettings] = {}
    """Principals that cases name."""
    tools: dict[str, ToolSettings] = {}
    """Tools by their full name, in place of what targets list."""
    defaults: DefaultsSettings = DefaultsSettings()
    cases: tuple[CaseSettings, ...]
    """The cases."""

    @field_validator("cases")
    @classmethod
    def _holds_some(cls, cases: tuple[CaseSettings, ...]) -> tuple[CaseSettings, ...]:
        if not cases:
            raise ValueError("there is no case; add one")
        return cases


class Suite(Value):
    """A file of cases, read, with the places of everything in it."""

    file: str  # as it is called in messages
    title: str
    settings: SuiteSettings
    root: Node
    tools: tuple[Tool, ...]  # those written out in it

    def wanted(self) -> set[str]:
        """The full names of the tools that its cases use and that are not written out in it."""
        chosen = {case.tool or self.settings.defaults.tool for case in self.settings.cases}
        return {name for name in chosen if name is not None} - self.settings.tools.keys()


class Cast(Value):
    """Who and what cases may name beside what their suite writes out."""

    tools: tuple[Tool, ...] = ()
    targets: tuple[str, ...] = ()
    silent: Mapping[str, str] = {}  # target → why its tools are not known
    principals: Mapping[str, Principal] = {}
    facts: Mapping[str, Mapping[str, str]] = {}  # interceptor → fact → type
    issuer: str = ISSUER


def read_suite(text: str, file: str) -> Suite:
    """The suite in a text. Raises ConfigError with every problem found."""
    root = read_yaml(text, file)
    try:
        settings = SuiteSettings.model_validate(root.plain())
    except ValidationError as error:
        raise ConfigError(problems_of(error, SuiteSettings, Resolved(root=root), file)) from None
    tools, problems = _written_out(settings, root, file)
    if problems:
        raise ConfigError(problems)
    return Suite(
        file=file,
        title=settings.suite or Path(file).name,
        settings=settings,
        root=root,
        tools=tuple(tools),
    )


def _written_out(
    settings: SuiteSettings, root: Node, file: str
) -> tuple[list[Tool], list[Problem]]:
    tools, problems = [], []
    for name, tool in settings.tools.items():
        path: KeyPath = ("tools", name)
        parts = split_name(None, name)
        definition = {**tool.model_dump(exclude_none=True), "name": parts[1] if parts else name}
        try:
            if parts is None:
                raise Unusable(f"must be called <target>{SEPARATOR}<tool>")
            tools.append(read_tool(parts[0], definition))
        except Unusable as error:
            problems.append(Problem.at(file, root.place(path), path, str(error)))
    return tools, problems


def cases_of(suite: Suite, cast: Cast) -> tuple[Case, ...]:
    """The cases with everything that they name filled in. Raises ConfigError."""
    filler = _Filler(suite, cast)
    cases = [filler.case(number, case) for number, case in enumerate(suite.settings.cases)]
    if filler.problems:
        raise ConfigError(filler.problems)
    return tuple(case for case in cases if case is not None)


class _Filler:
    def __init__(self, suite: Suite, cast: Cast) -> None:
        self._suite = suite
        self._cast = cast
        self._defaults = suite.settings.defaults
        self._tools: dict[str, Tool] = {}
        for tool in (*suite.tools, *cast.tools):
            self._tools.setdefault(tool.qualified_name, tool)
        self._targets = {*cast.targets, *(tool.target for tool in suite.tools)}
        self._principals = {
            **cast.principals,
            **{
                name: principal_of(one, name, cast.issuer)
                for name, one in suite.settings.principals.items()
            },
        }
        self.problems: list[Problem] = []

    def case(self, number: int, case: CaseSettings) -> Case | None:
        at: KeyPath = ("cases", number)
        principal = self._principal(case, at)
        tool = self._tool(case, at)
        facts = {**self._defaults.facts, **case.facts}
        self._check_facts(facts, case, at)
        time = case.time or self._defaults.time
        if principal is None or tool is None:
            return None
        return Case(
            name=case.name,
            suite=self._suite.file,
            line=self._suite.root.place(at)[0],
            principal=principal,
            tool=tool,
            arguments={**self._defaults.arguments, **case.arguments},
            facts=facts,
            now=time.timestamp() if time is not None else None,
            expected=_expectation(case.expect),
        )

    def _principal(self, case: CaseSettings, at: KeyPath) -> Principal | None:
        chosen, path = self._chosen(case, "principal", at)
        if chosen is None:
            self._say(path, "no `principal`: say who calls, here or under `defaults`")
        elif isinstance(chosen, PrincipalSettings):
            if chosen.id is not None:
                return principal_of(chosen, chosen.id, self._cast.issuer)
            self._say(path, "has no `id`; add it")
        elif chosen in self._principals:
            return self._principals[chosen]
        else:
            hint = nearest(chosen, list(self._principals))
            self._say(path, f"nobody is called {chosen!r} under `principals`; {hint}")
        return None

    def _tool(self, case: CaseSettings, at: KeyPath) -> Tool | None:
        name, path = self._chosen(case, "tool", at)
        if name is None:
            self._say(path, "no `tool`: say what is called, here or under `defaults`")
            return None
        if name in self._tools:
            return self._tools[name]
        target, _, method = name.partition(SEPARATOR)
        if target in self._targets and method in METHODS and method != CALL_TOOL:
            return method_tool(target, method)
        if target in self._cast.silent:
            why = self._cast.silent[target]
            self._say(path, f"the tools of {target} are not known: {why}; or write it out")
        else:
            self._say(path, f"no tool is called {name!r}; {nearest(name, list(self._tools))}")
        return None

    def _chosen(self, case: CaseSettings, key: str, at: KeyPath) -> tuple[Any, KeyPath]:
        own = getattr(case, key)
        if own is not None:
            return own, (*at, key)
        default = getattr(self._defaults, key)
        return default, at if default is None else ("defaults", key)

    def _check_facts(self, facts: Mapping[str, Any], case: CaseSettings, at: KeyPath) -> None:
        for interceptor, given in facts.items():
            path = at if interceptor in case.facts else ()
            path = (*path, "facts") if path else ("defaults", "facts")
            known = self._cast.facts.get(interceptor)
            if known is None:
                hint = nearest(interceptor, list(self._cast.facts))
                self._say((*path, interceptor), f"no interceptor of this name adds facts; {hint}")
                continue
            for fact in given:
                if fact not in known:
                    hint = nearest(fact, list(known))
                    self._say((*path, interceptor, fact), f"{interceptor} does not add it; {hint}")

    def _say(self, path: KeyPath, message: str) -> None:
        problem = Problem.at(self._suite.file, self._suite.root.place(path), path, message)
        if problem not in self.problems:  # what is wrong with a default is said once
            self.problems.append(problem)


def principal_of(settings: PrincipalSettings, name: str, issuer: str) -> Principal:
    """The principal that a suite writes out."""
    own = issuer if settings.kind == "jwt" else "callgate"
    return Principal(
        id=settings.id or name,
        issuer=settings.issuer or own,
        kind=settings.kind,
        claims=settings.claims,
        groups=settings.groups,
        tenant=settings.tenant,
        agent=settings.agent,
    )


def _expectation(expect: str | ExpectSettings) -> Expectation:
    if isinstance(expect, str):
        return Expectation(ruling=Ruling(expect))
    return Expectation(
        ruling=Ruling(expect.verdict),
        policies=expect.policies,
        reason=expect.reason,
        advice=expect.advice,
    )


def case_files(places: Sequence[Path]) -> Iterator[Path]:
    """The files themselves, and every YAML file below the directories, in order."""
    for place in places:
        if place.is_dir():
            yield from sorted(
                file
                for file in place.rglob("*")
                if file.suffix in (".yaml", ".yml") and file.is_file()
            )
        else:
            yield place
