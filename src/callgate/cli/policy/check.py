"""`callgate policy check`: are the policies valid, do they fit the tools, what do they mean?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from callgate.app.clock import SystemClock
from callgate.audit.explain import printable
from callgate.authoring import analysing
from callgate.authoring.issues import (
    Issue,
    Level,
    in_order,
    meanings,
    misfits,
    unreadable,
)
from callgate.authoring.sarif import sarif_text
from callgate.cli.policy.asking import command_of
from callgate.cli.policy.grounds import (
    Chosen,
    Grounds,
    config_and_files,
    counted,
    ground,
    grounds_options,
    shown_path,
)
from callgate.model import CALL_TOOL, Json, Tool, Value
from callgate.policy.analysis.findings import Report, Subject, Undecided
from callgate.policy.diagnosis import excerpt
from callgate.policy.index import ScopeIndex
from callgate.policy.source import ACTIVE, Policy, PolicyError, read_policies
from callgate.policy.validation import findings, is_meant
from callgate.protocol.harmless import as_json as shown_json
from callgate.protocol.methods import METHODS, method_tool

FOUND = 1
NO_SOLVER = "meaning was not looked at: install callgate[analysis]"
MISFITS_FIRST = "meaning was not looked at: policies have to fit their tools first"
NOT_FITTED = "whether they fit the tools was not looked at: --offline"
_FATAL = {
    "error": frozenset({Level.ERROR}),
    "warning": frozenset({Level.ERROR, Level.WARNING}),
    "never": frozenset[Level](),
}


class _Wanted(Value):
    """What to look at, and how to say it."""

    offline: bool
    meaning: bool
    format: str
    fail_on: str
    agentcore_names: bool


class _Checked(Value):
    """Everything that was found, and what was not looked at."""

    issues: tuple[Issue, ...]
    undecided: tuple[Undecided, ...] = ()
    heading: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    elsewhere: str | None = None  # the file for what is about tools


@click.command()
@grounds_options
@click.option("--offline", is_flag=True, help="Only parse: do not ask the targets for their tools.")
@click.option(
    "--meaning/--no-meaning",
    default=True,
    help="Whether to prove what policies mean, or only whether they are valid and fit.  "
    "[default: meaning]",
)
@click.option(
    "--format", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True
)
@click.option(
    "--fail-on",
    type=click.Choice(list(_FATAL)),
    default="error",
    show_default=True,
    help="From which level on the exit code is 1.",
)
@click.option("--agentcore-names", is_flag=True, help="Also AgentCore's names of what was found.")
def check(chosen: Chosen, **options: Any) -> None:
    """Check policies: are they valid Cedar, do they fit the tools, and what do they mean?

    Meaning is proven by a solver: policies that never match or always do, that others make
    useless, that may fail, or that let everyone in; each with a request that shows it.

    Exit codes: 0 nothing found that counts, 1 something was, 2 it could not be checked.
    """
    wanted = _Wanted(**options)
    checked = _checked(chosen, wanted)
    match wanted.format:
        case "json":
            click.echo(shown_json(_as_json(checked)))
        case "sarif":
            click.echo(sarif_text(checked.issues, checked.undecided, checked.elsewhere), nl=False)
        case _:
            for line in _lines(checked, wanted):
                click.echo(line)
    if any(issue.level in _FATAL[wanted.fail_on] for issue in checked.issues):
        sys.exit(FOUND)


def _checked(chosen: Chosen, wanted: _Wanted) -> _Checked:
    try:
        grounds = ground(chosen)
    except PolicyError as error:
        return _Checked(issues=in_order(_unreadable(chosen, error)))
    heading = tuple(_heading(grounds))
    if wanted.offline:
        return _Checked(issues=(), heading=heading, skipped=(NOT_FITTED,))
    found = findings(
        grounds.names,
        grounds.policies,
        grounds.snapshot.tools,
        grounds.enrichments,
        grounds.listed,
    )
    issues = list(misfits(found, grounds.shown))
    heading = (*heading, *_targets(grounds))
    skipped: tuple[str, ...] = tuple(
        f"policies on the tools of {name} were not looked at: {why}"
        for name, why in grounds.snapshot.silent.items()
    )
    issues = [_with_excerpt(issue, grounds) for issue in issues]
    report, why = _report(grounds, wanted, issues)
    if report is not None:
        issues += meanings(report.findings, grounds.policies, grounds.shown)
    return _Checked(
        issues=in_order(issues),
        undecided=report.undecided if report is not None else (),
        heading=heading,
        skipped=(*skipped, why) if why else skipped,
        elsewhere=_elsewhere(grounds),
    )


def _elsewhere(grounds: Grounds) -> str | None:
    if grounds.config is not None:
        return shown_path(grounds.config.file)
    return grounds.files[0].shown if grounds.files else None


def _with_excerpt(issue: Issue, grounds: Grounds) -> Issue:
    """The issue with its line, and a caret below the place."""
    text = next((file.text for file in grounds.files if file.shown == issue.file), None)
    if text is None or issue.line is None or issue.column is None:
        return issue
    lines = text.split("\n")
    offset = sum(len(line) + 1 for line in lines[: issue.line - 1]) + issue.column - 1
    return replace(issue, excerpt=excerpt(text, offset))


def _unreadable(chosen: Chosen, first: PolicyError) -> list[Issue]:
    """One issue for each file that cannot be read as Cedar, not only for the first."""
    _, files = config_and_files(chosen)
    shown = {file.source: file.shown for file in files}
    found = []
    for file in files:
        try:
            read_policies([(file.source, file.text)])
        except PolicyError as error:
            found.append(unreadable(error, shown.__getitem__))
    # None of them alone: then they do not go together, which the first reading has said.
    return found or [unreadable(first, lambda source: shown.get(source, source))]


def _report(
    grounds: Grounds, wanted: _Wanted, issues: Sequence[Issue]
) -> tuple[Report | None, str]:
    """What the policies mean; or why that is not looked at."""
    if not wanted.meaning:
        return None, ""
    if any(issue.level is Level.ERROR for issue in issues):
        return None, MISFITS_FIRST
    if not analysing.is_available():
        return None, NO_SOLVER
    return analysing.analyse(subject_of(grounds)), ""


def subject_of(grounds: Grounds, others: Sequence[Policy] = ()) -> Subject:
    """What an analysis is about: the active policies, the tools, and the methods they mean.

    `others` are policies that these are compared with; what they mean counts too.
    """
    return Subject(
        policies=tuple(policy for policy in grounds.policies if policy.mode == ACTIVE),
        tools=(*grounds.snapshot.tools, *_methods(grounds, others)),
        names=grounds.names,
        enrichments=grounds.enrichments,
        since=SystemClock().now(),  # what was over before is over
    )


def _methods(grounds: Grounds, others: Sequence[Policy]) -> Iterator[Tool]:
    names, indexes = grounds.names, (ScopeIndex(grounds.policies), ScopeIndex(others))
    for target in grounds.targets:
        for name, method in METHODS.items():
            if method.is_list or name == CALL_TOOL:
                continue
            tool = method_tool(target, name)
            action, resource = names.action_of(tool), names.resource
            policies = [one for index in indexes for one in index.for_action(action, resource)]
            if any(is_meant(names, tool, policy) for policy in policies):
                yield tool


def _heading(grounds: Grounds) -> Iterator[str]:
    permits = sum(policy.effect == "permit" for policy in grounds.policies)
    forbids = len(grounds.policies) - permits
    yield (
        f"{counted(len(grounds.policies), 'policy', 'policies')} in "
        f"{counted(len(grounds.files), 'file')}: "
        f"{permits} permit, {forbids} forbid (version {grounds.engine.version})"
    )
    if not permits:
        yield "no policy permits anything: every call will be refused"


def _targets(grounds: Grounds) -> Iterator[str]:
    for name in grounds.targets:
        silent = grounds.snapshot.silent.get(name)
        if silent is not None:
            yield f"target {name}: cannot be asked now ({silent})"
        else:
            yield f"target {name}: {counted(len(grounds.snapshot.of(name)), 'tool')}"


def _lines(checked: _Checked, wanted: _Wanted) -> Iterator[str]:
    yield from checked.heading
    for file, of_file in groupby(checked.issues, key=lambda issue: issue.file):
        yield ""
        yield printable(file or "tools")
        for issue in of_file:
            yield from _issue_lines(issue, wanted)
    if checked.issues:
        yield ""
    for undecided in checked.undecided:
        yield f"not decided: {printable(undecided.question)} {printable(undecided.reason)}"
    yield from checked.skipped
    yield _sum(checked.issues)


def _issue_lines(issue: Issue, wanted: _Wanted) -> Iterator[str]:
    place = f"{issue.line}:{issue.column}" if issue.line is not None else "-"
    about = f"{issue.policy}: " if issue.policy is not None else ""
    aliases = f" ({', '.join(issue.aliases)})" if wanted.agentcore_names and issue.aliases else ""
    message = printable(f"{about}{issue.message}")
    yield f"  {place:<7} {issue.level:<7}  {message}  [{issue.rule}]{aliases}"
    for line in issue.excerpt.splitlines():
        yield f"          {printable(line)}"
    if issue.example is not None:
        yield f"          {printable(issue.example.sentence())}"
        yield f"          {command_of(issue.example)}"


def _sum(issues: Iterable[Issue]) -> str:
    levels = [issue.level for issue in issues]
    counts = [counted(levels.count(level), level.value) for level in Level if levels.count(level)]
    return ", ".join(counts) or "no findings"


def _as_json(checked: _Checked) -> dict[str, Json]:
    return {
        "issues": msgspec.to_builtins(checked.issues),
        "undecided": msgspec.to_builtins(checked.undecided),
        "skipped": list(checked.skipped),
    }
