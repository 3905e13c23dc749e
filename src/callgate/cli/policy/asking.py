"""A request as it is written on the command line: who, which tool, which arguments, when."""

from __future__ import annotations

import functools
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from callgate.cli.policy.grounds import CannotSay, Grounds, read_text
from callgate.config.suites import ISSUER
from callgate.config.validation import nearest
from callgate.model import CALL_TOOL, SEPARATOR, Json, Principal, Tool, Value
from callgate.policy.analysis.findings import Example
from callgate.policy.context import instant
from callgate.protocol.jsonrpc import Malformed, encode, parse_json
from callgate.protocol.methods import METHODS, method_tool


class Pairs(click.ParamType[tuple[str, str]]):
    """`name=value`."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """(name, value)."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is not of the form name=value", param, ctx)
        return name, text


class Who(Value):
    """What the options say of the principal."""

    named: str | None = None
    id: str | None = None
    groups: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    agent: str | None = None
    tenant: str | None = None
    kind: str = "jwt"
    issuer: str | None = None


def principal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what describes a principal, its id apart; the command gets it as `who`."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        names = ("groups", "claims", "agent", "tenant", "kind", "issuer", "named")
        return command(who=Who(**{name: given.pop(name) for name in names}), **given)

    for option in (
        click.option("--issuer", help="Who issued its proof."),
        click.option(
            "--kind",
            type=click.Choice(["jwt", "api_key", "anonymous"]),
            default="jwt",
            show_default=True,
            help="What it proved itself by.",
        ),
        click.option("--tenant", help="The tenant it belongs to."),
        click.option("--agent", help="The agent that acts for it."),
        click.option(
            "--claim", "claims", type=Pairs(), multiple=True, help="A claim: JSON, or a text."
        ),
        click.option("--group", "groups", multiple=True, help="A group it is a member of."),
        click.option(
            "--as", "named", metavar="NAME", help="As the configuration knows it: an API key."
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def principal_of(who: Who, identifier: str | None, grounds: Grounds) -> Principal:
    """The principal that the options describe. Raises CannotSay."""
    if who.named is not None:
        if identifier is not None or who.groups or who.claims or who.agent or who.tenant:
            raise CannotSay("--as takes a principal whole; leave out what else describes one")
        if who.named not in grounds.principals:
            hint = nearest(who.named, list(grounds.principals))
            raise CannotSay(f"the configuration knows no principal {who.named!r}; {hint}")
        return grounds.principals[who.named]
    if identifier is None:
        raise CannotSay("say who calls: --principal ID, or --as NAME")
    issuers = grounds.config.identity.jwt if grounds.config is not None else ()
    default = (issuers[0].issuer if issuers else ISSUER) if who.kind == "jwt" else "callgate"
    return Principal(
        id=identifier,
        issuer=who.issuer or default,
        kind=who.kind,
        claims={name: json_or_text(text) for name, text in who.claims},
        groups=who.groups,
        tenant=who.tenant,
        agent=who.agent,
    )


def tool_of(name: str, grounds: Grounds) -> Tool:
    """The tool, or the method at a target, of a full name. Raises CannotSay."""
    known = {tool.qualified_name: tool for tool in reversed(grounds.snapshot.tools)}
    if name in known:
        return known[name]
    target, separator, method = name.partition(SEPARATOR)
    if target in grounds.targets and method in METHODS and method != CALL_TOOL:
        return method_tool(target, method)
    if target in grounds.snapshot.silent:
        raise CannotSay(f"nothing is known of {target}: {grounds.snapshot.silent[target]}")
    if not separator and sum(tool.name == name for tool in known.values()) == 1:
        return next(tool for tool in known.values() if tool.name == name)
    raise CannotSay(f"no tool is called {name!r}; {nearest(name, list(known))}")


def arguments_of(
    tool: Tool, whole: str | None, single: tuple[tuple[str, str], ...]
) -> dict[str, Json]:
    """The arguments of --args and --arg, the second over the first. Raises CannotSay."""
    arguments = _object("--args", whole) if whole is not None else {}
    properties = tool.input_schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for name, text in single:
        of_type = properties.get(name)
        is_text = isinstance(of_type, dict) and of_type.get("type") == "string"
        arguments[name] = _text(text) if is_text else json_or_text(text)
    return arguments


def facts_of(
    given: tuple[tuple[str, str], ...], known: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Json]]:
    """Facts of interceptors, given as `<interceptor>.<fact>=value`. Raises CannotSay."""
    facts: dict[str, dict[str, Json]] = {}
    for name, text in given:
        interceptor, _, fact = name.partition(".")
        of_type = known.get(interceptor, {}).get(fact)
        if of_type is None:
            every = [f"{one}.{fact}" for one, those in known.items() for fact in those]
            raise CannotSay(f"no interceptor adds the fact {name!r}; {nearest(name, every)}")
        value = _text(text) if of_type == "string" else json_or_text(text)
        facts.setdefault(interceptor, {})[fact] = value
    return facts


def _text(written: str) -> Json:
    """What stands for a text: itself, unless it is a JSON text in its quotes."""
    value = json_or_text(written)
    return value if isinstance(value, str) else written


def json_or_text(text: str) -> Json:
    """The JSON value that a text is; else the text."""
    try:
        return parse_json(text.encode())
    except (Malformed, UnicodeEncodeError):
        return text


def _object(option: str, written: str) -> dict[str, Json]:
    text = read_text(Path(written[1:])) if written.startswith("@") else written
    try:
        value = parse_json(text.encode())
    except (Malformed, UnicodeEncodeError) as error:
        raise CannotSay(f"{option}: {error}") from None
    if not isinstance(value, dict):
        raise CannotSay(f"{option}: must be a JSON object of arguments")
    return value


def now() -> float:
    """The time at which the command was given."""
    return time.time()  # noqa: TID251 - the command line is where time comes in


def command_of(example: Example) -> str:
    """The `callgate policy try` that puts the request of an example again."""
    principal = example.principal
    words = ["callgate", "policy", "try", "--principal", principal.id]
    for group in principal.groups:
        words += ["--group", group]
    for name, claim in principal.claims.items():
        words += ["--claim", f"{name}={claim if isinstance(claim, str) else _json(claim)}"]
    for option, value in (
        ("--agent", principal.agent),
        ("--tenant", principal.tenant),
        ("--issuer", principal.issuer),
    ):
        words += [option, value] if value else []
    words += ["--kind", principal.kind, "--tool", example.tool]
    words += ["--args", _json(example.arguments)]
    for interceptor, facts in example.enriched.items():
        for fact, value in facts.items():
            words += ["--fact", f"{interceptor}.{fact}={_json(value)}"]
    return shlex.join([*words, "--at", instant(example.now)])


def _json(value: Json) -> str:
    return encode(value).decode()
