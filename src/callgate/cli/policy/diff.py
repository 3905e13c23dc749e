"""`callgate policy diff`: which tools become more or less permitted, for whom."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from callgate.audit.explain import printable
from callgate.authoring import analysing
from callgate.cli.policy.asking import command_of
from callgate.cli.policy.check import subject_of
from callgate.cli.policy.grounds import (
    CannotSay,
    Chosen,
    Grounds,
    PolicyFile,
    configured_if,
    counted,
    files_of,
    grounds_on,
    in_force,
    policy_paths,
    tools_options,
)
from callgate.cli.policy.revisions import PREFIX, at_revision
from callgate.config import Config
from callgate.model import Json, Value
from callgate.policy.analysis.compare import Comparison, Difference, Relation
from callgate.policy.source import ACTIVE, Policy, PolicyError
from callgate.protocol.harmless import as_json as shown_json

DIFFERENT = 1
DEFAULT_PATTERNS = ("policies/*.cedar",)
NO_SOLVER = "what the change means needs a solver: install callgate[analysis]"


class Edit(Value):
    """One policy that is not the same on both sides."""

    policy: str
    what: str  # added | removed | changed
    place: str  # `file:line`, on the side where it is; of a changed one, the second


class _Compared(Value):
    """What differs in the texts, and what that means."""

    edits: tuple[Edit, ...]
    comparison: Comparison | None  # None: nothing that decides was edited


@click.command()
@tools_options
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
@click.option("--exit-zero", is_flag=True, help="Exit code 0 also where they decide otherwise.")
def diff(chosen: Chosen, before: str, after: str | None, form: str, exit_zero: bool) -> None:
    """Say how the policies B decide otherwise than the policies A, for any request.

    A and B are files, directories, or git:REVISION: a branch, a tag or a commit. Without B: the
    policies of the configuration. Each difference is proven, with a request that shows it.

    Exit codes: 0 they decide alike, 1 they do not, 2 it could not be compared.
    """
    config = configured_if(chosen, is_needed=after is None)
    first, second = _side(chosen, config, before), _side(chosen, config, after)
    compared = _Compared(edits=tuple(edits(first, second)), comparison=_comparison(first, second))
    if form == "json":
        click.echo(shown_json(_as_json(compared)))
    else:
        for line in _lines(compared):
            click.echo(line)
    comparison = compared.comparison
    if comparison is not None and not comparison.is_equivalent and not exit_zero:
        sys.exit(DIFFERENT)


def _side(chosen: Chosen, config: Config | None, named: str | None) -> Grounds:
    try:
        return grounds_on(chosen, config, files_named(chosen, config, named))
    except PolicyError as error:
        raise CannotSay(f"{named}: {error}" if named is not None else str(error)) from None


def files_named(chosen: Chosen, config: Config | None, named: str | None) -> tuple[PolicyFile, ...]:
    """A file, a directory, git:REVISION, or what the configuration names. Raises CannotSay."""
    if named is None:
        return in_force(config, may_fetch=not chosen.is_offline) if config is not None else ()
    if named.startswith(PREFIX):
        patterns = config.policies.files if config is not None else DEFAULT_PATTERNS
        directory = config.directory if config is not None else Path()
        return at_revision(named.removeprefix(PREFIX), patterns, directory)
    path = Path(named)
    if not path.exists():
        raise CannotSay(f"{named} is neither a file, nor a directory, nor {PREFIX}REVISION")
    return files_of(policy_paths([path]))


def edits(first: Grounds, second: Grounds) -> Iterator[Edit]:
    """The policies that are not the same on both sides, by id."""
    old = {policy.id: policy for policy in first.policies}
    new = {policy.id: policy for policy in second.policies}
    for identifier in sorted(old.keys() | new.keys()):
        if identifier not in new:
            place = first.place_of(old[identifier])
            yield Edit(policy=identifier, what="removed", place=place)
        elif identifier not in old:
            place = second.place_of(new[identifier])
            yield Edit(policy=identifier, what="added", place=place)
        elif old[identifier].digest != new[identifier].digest:
            place = second.place_of(new[identifier])
            yield Edit(policy=identifier, what="changed", place=place)


def _comparison(first: Grounds, second: Grounds) -> Comparison | None:
    old, new = _active(first.policies), _active(second.policies)
    if {one.digest for one in old} == {one.digest for one in new}:
        return None
    if not analysing.is_available():
        raise CannotSay(NO_SOLVER)
    silent = first.snapshot.silent
    if silent:
        why = "; ".join(f"{name}: {reason}" for name, reason in silent.items())
        raise CannotSay(f"not every tool is known ({why}), so that the answer would be a part")
    subject = subject_of(first, second.policies)
    return analysing.compare(subject, new)


def _active(policies: Sequence[Policy]) -> tuple[Policy, ...]:
    return tuple(policy for policy in policies if policy.mode == ACTIVE)


def _lines(compared: _Compared) -> Iterator[str]:
    for edit in compared.edits:
        yield printable(f"{edit.what} {edit.policy} ({edit.place})")
    if not compared.edits:
        yield "the policies are the same"
        return
    comparison = compared.comparison
    if comparison is None:
        yield "\nno tool is decided otherwise: only policies that decide nothing differ"
        return
    for difference in comparison.differences:
        yield ""
        yield from _difference(difference)
    yield ""
    yield _sum(comparison)


def _difference(difference: Difference) -> Iterator[str]:
    whom = f"for {difference.principal_type}"
    yield printable(f"{difference.tool}, {whom}: {difference.relation}")
    if difference.reason:
        yield printable(f"  not decided: {difference.reason}")
    for word, example in (("now permitted", difference.gained), ("now refused", difference.lost)):
        if example is not None:
            yield printable(f"  {word}: {example.sentence()}")
            yield f"    {command_of(example)}"


def _sum(comparison: Comparison) -> str:
    if comparison.is_equivalent:
        return f"no tool is decided otherwise: proven for {counted(comparison.tools, 'tool')}"
    tools = len({difference.tool for difference in comparison.differences})
    relation = comparison.relation()
    undecided = sum(one.relation is Relation.UNDECIDED for one in comparison.differences)
    said = f"{tools} of {counted(comparison.tools, 'tool')} differ: {relation}"
    return said + (f" ({undecided} not decided)" if undecided else "")


def _as_json(compared: _Compared) -> dict[str, Json]:
    comparison = compared.comparison
    return {
        "edits": msgspec.to_builtins(compared.edits),
        "relation": comparison.relation() if comparison is not None else Relation.EQUIVALENT,
        "comparison": msgspec.to_builtins(comparison),
    }
