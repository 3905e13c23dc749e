"""`callgate policy test`: do the policies say of single calls what they should?"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import msgspec

from callgate.app.watching import LOOK_EVERY_SECONDS, Snapshot, look
from callgate.audit.explain import printable
from callgate.authoring.junit import junit_text
from callgate.cli.policy.grounds import (
    CannotSay,
    Chosen,
    Grounds,
    counted,
    grounded,
    grounds_options,
    read_text,
    shown_path,
)
from callgate.cli.policy.telling import told
from callgate.config.problems import ConfigError, Problem
from callgate.config.suites import ISSUER, Cast, Suite, case_files, cases_of, read_suite
from callgate.model import Json, Value
from callgate.policy.cases import Case, Result, run
from callgate.policy.coverage import Coverage, coverage
from callgate.protocol.harmless import as_json as shown_json

DEFAULT_CASES = Path("policies/tests")
FAILED = 1


class Wanted(Value):
    """What to run, and what to say of it."""

    paths: tuple[Path, ...] = ()
    pattern: str = ""
    format: str = "text"
    verbose: bool = False
    coverage: bool = False
    min_coverage: float | None = None
    watch: bool = False


class Ran(Value):
    """All cases, and what they covered."""

    results: tuple[Result, ...]
    coverage: Coverage
    suites: tuple[Suite, ...]

    @property
    def failed(self) -> int:
        """How many came out otherwise than expected."""
        return sum(not result.is_passed for result in self.results)


@click.command()
@grounds_options
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("-k", "pattern", default="", help="Only cases with this in name, file or tool.")
@click.option("-v", "--verbose", is_flag=True, help="Also name the cases that passed.")
@click.option(
    "--coverage", is_flag=True, help="Say which policies and clauses no case has seen at work."
)
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    help="Fail where less than this percentage is covered.",
)
@click.option(
    "--format", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True
)
@click.option("--watch", is_flag=True, help="Run again whenever a file changes; Ctrl-C ends it.")
def test(chosen: Chosen, **options: Any) -> None:
    """Run the cases in PATHS: YAML files, or directories of them.

    Without PATHS: those in policies/tests beside the configuration. A case says who calls which
    tool with which arguments, and how that is to come out.

    Exit codes: 0 all passed, 1 some failed or too little is covered, 2 the cases could not be run.
    """
    wanted = Wanted(**options)
    if wanted.pattern and wanted.min_coverage is not None:
        raise click.UsageError("-k runs a part of the cases: --min-coverage would measure nothing")
    if wanted.watch:
        with suppress(KeyboardInterrupt):
            watched(lambda known: round_of(chosen, wanted, known), wait=_wait)
    else:
        grounds = grounded(chosen)
        sys.exit(_report(grounds, _ran(grounds, wanted), wanted))


def watched(
    once: Callable[[Grounds | None], tuple[Grounds | None, Callable[[], Snapshot]]],
    wait: Callable[[], None],
) -> None:
    """Runs a round whenever one of the files that it read has changed. Until interrupted."""
    grounds, files = once(None)
    seen = files()
    while True:
        wait()
        now = files()
        if now == seen:
            continue
        grounds, files = once(grounds)
        seen = files()


def _wait() -> None:
    time.sleep(LOOK_EVERY_SECONDS)


def round_of(
    chosen: Chosen, wanted: Wanted, known: Grounds | None
) -> tuple[Grounds | None, Callable[[], Snapshot]]:
    """One round of --watch: what could not be run is said, and the watch goes on."""
    click.clear()
    grounds = known
    try:
        grounds = grounded(chosen, known)
        _report(grounds, _ran(grounds, wanted), wanted)
    except CannotSay as error:
        click.echo(f"Error: {error.format_message()}", err=True)
    click.echo("\nwaiting for a change; Ctrl-C ends it", err=True)
    held = grounds
    return held, lambda: look(_files(held, chosen, wanted))


def _files(grounds: Grounds | None, chosen: Chosen, wanted: Wanted) -> Iterator[Path]:
    """All that a round depends on; looked up anew, for files may have been added."""
    yield from chosen.files()
    places = _places(grounds, wanted)
    yield from places
    yield from case_files(places)
    if grounds is not None:
        yield from (file.path for file in grounds.files)
        if grounds.config is not None:
            yield from grounds.config.depends_on


def _places(grounds: Grounds | None, wanted: Wanted) -> tuple[Path, ...]:
    if wanted.paths:
        return wanted.paths
    config = grounds.config if grounds is not None else None
    return ((config.directory if config is not None else Path()) / DEFAULT_CASES,)


def _ran(grounds: Grounds, wanted: Wanted) -> Ran:
    suites = _suites(grounds, wanted)
    cases = [case for case in _cases(grounds, suites) if _is_chosen(case, wanted.pattern)]
    if not cases:
        raise CannotSay(f"no case has {wanted.pattern!r} in its name, file or tool")
    results = tuple(run(grounds.engine, case, grounds.fits) for case in cases)
    accounts = [one.ruled.account for one in results if one.ruled.account is not None]
    return Ran(results=results, coverage=coverage(grounds.policies, accounts), suites=tuple(suites))


def _is_chosen(case: Case, pattern: str) -> bool:
    return any(pattern in text for text in (case.name, case.suite, case.tool.qualified_name))


def _suites(grounds: Grounds, wanted: Wanted) -> list[Suite]:
    places = _places(grounds, wanted)
    files = list(case_files(places)) if wanted.paths or places[0].is_dir() else []
    if not files:
        where = " and ".join(shown_path(place) for place in places)
        raise CannotSay(f"there are no cases in {where}; docs/policy-testing.md shows some")
    suites: list[Suite] = []
    problems: list[Problem] = []
    for file in files:
        try:
            suites.append(read_suite(read_text(file), shown_path(file)))
        except ConfigError as error:
            problems += error.problems
    _require(problems)
    return suites


def _cases(grounds: Grounds, suites: list[Suite]) -> list[Case]:
    # Targets are asked only for tools that no suite writes out.
    is_asked = any(suite.wanted() for suite in suites)
    issuers = grounds.config.identity.jwt if grounds.config is not None else ()
    cast = Cast(
        tools=grounds.snapshot.tools if is_asked else (),
        targets=grounds.targets if is_asked else (),
        silent=grounds.snapshot.silent if is_asked else {},
        principals=grounds.principals,
        facts=grounds.enrichments,
        issuer=issuers[0].issuer if issuers else ISSUER,
    )
    cases: list[Case] = []
    problems: list[Problem] = []
    for suite in suites:
        try:
            cases += cases_of(suite, cast)
        except ConfigError as error:
            problems += error.problems
    _require(problems)
    return cases


def _require(problems: list[Problem]) -> None:
    if problems:
        lines = "\n".join(str(problem) for problem in problems)
        raise CannotSay(f"{counted(len(problems), 'problem')} in the cases\n{lines}")


def _report(grounds: Grounds, ran: Ran, wanted: Wanted) -> int:
    """Says how it went; the exit code."""
    match wanted.format:
        case "json":
            click.echo(shown_json(_as_json(ran)))
        case "junit":
            click.echo(junit_text(ran.results), nl=False)
        case _:
            for line in _lines(grounds, ran, wanted):
                click.echo(line)
    least = wanted.min_coverage
    if least is not None and ran.coverage.percent < least:
        said = f"coverage is {ran.coverage.percent:.1f} %, less than {least:g} %"
        click.echo(said, err=True)
        return FAILED
    return FAILED if ran.failed else 0


def _lines(grounds: Grounds, ran: Ran, wanted: Wanted) -> Iterator[str]:
    titles = {suite.file: suite.title for suite in ran.suites}
    for file, of_file in groupby(ran.results, key=lambda result: result.case.suite):
        results = [one for one in of_file if wanted.verbose or not one.is_passed]
        if not results:
            continue
        title = titles[file]
        yield printable(file if title == Path(file).name else f"{file}: {title}")
        for result in results:
            yield from _case_lines(grounds, result)
    if wanted.coverage or wanted.min_coverage is not None:
        yield from _coverage_lines(grounds, ran.coverage)
    passed = len(ran.results) - ran.failed
    yield f"{counted(len(ran.results), 'case')}: {passed} passed, {ran.failed} failed"


def _case_lines(grounds: Grounds, result: Result) -> Iterator[str]:
    case = result.case
    if result.is_passed:
        yield f"  ok    {printable(case.name)}"
        return
    yield f"  FAIL  {printable(case.name)} ({case.suite}:{case.line})"
    for problem in result.problems:
        yield f"        {printable(problem)}"
    arguments = printable(json.dumps(case.arguments, ensure_ascii=False))
    yield f"        {printable(case.principal.id)} calls {case.tool.qualified_name} {arguments}"
    if result.ruled.account is not None:
        for line in told(result.ruled.account, grounds.shown):
            yield f"          {line}"


def _coverage_lines(grounds: Grounds, covered: Coverage) -> Iterator[str]:
    for policy in covered.policies:
        where = f"{grounds.shown(policy.source)}:{policy.line}"
        if not policy.is_in_scope:
            yield f"  not covered  {policy.policy} ({where}): in scope of no case"
            continue
        if not policy.has_applied:
            yield f"  not covered  {policy.policy} ({where}): never applied"
        for one in policy.clauses:
            if one.missing is not None:
                place = f"{grounds.shown(policy.source)}:{one.clause.line}"
                text = printable(" ".join(one.clause.text.split()))
                yield f"  not covered  {policy.policy} ({place}): {one.missing}: {text}"
    yield (
        f"coverage {covered.percent:.1f} %: {covered.applied} of "
        f"{counted(len(covered.policies), 'policy', 'policies')} applied"
    )


def _as_json(ran: Ran) -> dict[str, Json]:
    return {
        "cases": [_case_json(result) for result in ran.results],
        "passed": len(ran.results) - ran.failed,
        "failed": ran.failed,
        "coverage": {
            "percent": round(ran.coverage.percent, 1),
            "policies": msgspec.to_builtins(ran.coverage.policies),
        },
    }


def _case_json(result: Result) -> dict[str, Json]:
    case, ruled = result.case, result.ruled
    return {
        "suite": case.suite,
        "line": case.line,
        "name": case.name,
        "principal": case.principal.id,
        "tool": case.tool.qualified_name,
        "passed": result.is_passed,
        "expected": case.expected.ruling,
        "ruling": ruled.ruling,
        "reason": ruled.reason,
        "policies": list(ruled.policies),
        "advice": ruled.advice,
        "problems": list(result.problems),
    }
