"""What is wrong with a policy set, from every check, in one form and with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from callgate.model import Value
from callgate.policy import validation
from callgate.policy.analysis import findings as meaning
from callgate.policy.source import Policy, PolicyError

NOT_CEDAR = "not_cedar"


class Level(StrEnum):
    """How bad it is, in SARIF's words."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Issue(Value):
    """One thing to change, or to think about."""

    rule: str  # of RULES
    level: Level
    message: str
    file: str | None = None  # as it is shown; None where it is about a tool
    line: int | None = None
    column: int | None = None
    policy: str | None = None  # its id
    tools: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # AgentCore's names for it
    example: meaning.Example | None = None
    excerpt: str = ""  # the line, and a caret below it


class Rule(Value):
    """A kind of issue, in words."""

    id: str
    title: str
    help: str


RULES: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            id=NOT_CEDAR,
            title="The text is not valid Cedar",
            help="The policies of the file cannot be used; the gateway keeps those it had.",
        ),
        *(Rule(id=name, title=said, help=said) for name, said in validation.RULES.items()),
        *(Rule(id=rule.kind.value, title=rule.title, help=rule.help) for rule in meaning.RULES),
    )
}
"""Every kind of issue by its id."""

_LEVELS = {
    meaning.Severity.ERROR: Level.ERROR,
    meaning.Severity.WARNING: Level.WARNING,
    meaning.Severity.INFO: Level.NOTE,
}
Shown = Callable[[str], str]  # the name of a source → its path, as it is shown


def unreadable(error: PolicyError, shown: Shown) -> Issue:
    """A text that is no Cedar."""
    return Issue(
        rule=NOT_CEDAR,
        level=Level.ERROR,
        message=error.problem,
        file=shown(error.source),
        line=error.line,
        column=error.column,
        excerpt=error.excerpt,
    )


def misfits(found: Iterable[validation.Finding], shown: Shown) -> Iterator[Issue]:
    """What strict validation found."""
    for finding in found:
        yield Issue(
            rule=finding.rule,
            level=Level.ERROR if finding.is_error else Level.WARNING,
            message=finding.message,
            file=shown(finding.source),
            line=finding.line,
            column=finding.column,
            policy=finding.policy,
            tools=finding.tools,
        )


def meanings(
    found: Iterable[meaning.Finding], policies: Sequence[Policy], shown: Shown
) -> Iterator[Issue]:
    """What the analysis proved."""
    by_id = {policy.id: policy for policy in policies}
    for finding in found:
        about = by_id.get(finding.policies[0]) if finding.policies else None
        yield Issue(
            rule=finding.kind.value,
            level=_LEVELS[finding.severity],
            message=finding.message,
            file=shown(about.source) if about is not None else None,
            line=about.line if about is not None else None,
            column=about.column if about is not None else None,
            policy=about.id if about is not None else None,
            tools=finding.tools,
            aliases=finding.aliases,
            example=finding.example,
        )


def in_order(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """By file and place; those about tools last."""
    return tuple(
        sorted(
            issues,
            key=lambda one: (one.file is None, one.file or "", one.line or 0, one.column or 0),
        )
    )
