"""What a replay found: for a terminal, for a merge request, for CI, for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree

from callgate.audit.explain import printable
from callgate.cli.policy.grounds import Grounds, counted
from callgate.cli.policy.telling import told
from callgate.model import Json
from callgate.pipeline.replay import Rehearsed
from callgate.policy.account import Account, PolicyAccount, State
from callgate.policy.cases import Ruling
from callgate.policy.simulated import Example, Kind, Tally, Use
from callgate.policy.source import SHADOW, Policy
from callgate.protocol.harmless import as_json as shown_json

FORMS = ("text", "json", "markdown", "junit")
MAX_NAMES = 5
MAX_CLAUSE_LINES = 12
_MARKUP = frozenset(r"\`*_{}[]<>#|~&@!")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that there is to say."""

    found: Rehearsed
    grounds: Grounds
    policies: tuple[Policy, ...]
    against: str
    is_checked: bool
    excess: tuple[str, ...]  # kinds of flips of which there are too many
    undecided: str | None  # why too little is known

    @property
    def kinds(self) -> list[tuple[Kind, Tally]]:
        """What flips, the most first."""
        flips = self.found.simulated.flips.items()
        return sorted(flips, key=lambda one: (-one[1].count, one[0].change, one[0].tool, str(one)))

    @property
    def unused(self) -> Iterator[tuple[Policy, Use]]:
        """The policies that decided nothing, in their order; shadows apart."""
        uses = self.found.simulated.uses(policy.id for policy in self.policies)
        for policy, use in zip(self.policies, uses, strict=True):
            if policy.mode != SHADOW and not use.decided:
                yield policy, use


def report(of: Report, form: str) -> str:
    """The whole of it, as a text that ends with a newline."""
    match form:
        case "json":
            return shown_json(_as_json(of)) + "\n"
        case "markdown":
            lines: Iterable[str] = _markdown(of)
        case "junit":
            return _junit(of)
        case _:
            lines = map(printable, _lines(of))
    return "\n".join(lines) + "\n"


def _lines(of: Report) -> Iterator[str]:
    yield from _head(of)
    for kind, tally in of.kinds:
        yield ""
        yield f"{_change(kind)}: {counted(tally.count, 'call')} of {kind.tool}"
        yield from (f"  {line}" for line in _flip(of, kind, tally))
    yield from _unknown(of)
    yield from _unused(of)
    yield ""
    yield _sum(of)
    if of.undecided is not None:
        yield of.undecided


def _head(of: Report) -> Iterator[str]:
    simulated, unasked = of.found.simulated, of.found.unasked
    span = f"from {_at(simulated.first_at)} to {_at(simulated.last_at)}"
    yield f"{counted(simulated.decided + simulated.unknown, 'decision')} {span}"
    if unasked:
        codes = _most(unasked)
        yield f"{counted(unasked.total(), 'call')} ended before policy was asked: {codes}"
    if of.is_checked:
        verdicts = counted(simulated.checked, "recorded verdict was", "recorded verdicts were")
        yield f"{verdicts} reproduced first, by the policies of then"
        for reason, count in sorted(simulated.unchecked.items()):
            yield f"{count} were taken as recorded: {reason}"
    shadows = sum(policy.mode == SHADOW for policy in of.policies)
    if shadows:
        number = counted(shadows, "shadow policy decides", "shadow policies decide")
        yield f"{number} nothing here; --active lets them"


def _flip(of: Report, kind: Kind, tally: Tally) -> Iterator[str]:
    yield f"because: {_causes(kind)}"
    yield f"principals: {_most(tally.principals)}"
    yield f"first {_at(tally.first_at)}, last {_at(tally.last_at)}"
    if tally.early:
        yield (
            f"{tally.early} of them were refused before interceptors saw them: decided on the "
            "arguments as they were given"
        )
    for example in tally.examples:
        yield f"{example.call}  {example.principal}, {_at(example.at)}: {example.reason}"
        yield from (f"  {line}" for line in _account(of, example, kind))


def _causes(kind: Kind) -> str:
    return "; ".join(map(str, kind.causes)) or "several policies"


def _account(of: Report, example: Example, kind: Kind) -> Iterator[str]:
    """The clauses that matter, with their values."""
    account = example.account
    if account is None:
        return
    kept = [one for one in account.policies if _matters(one, account, kind)]
    shown = Account(verdict=account.verdict, policies=tuple(kept), near=account.near[:2])
    if kept:
        for line, _ in zip(told(shown, of.grounds.shown), range(MAX_CLAUSE_LINES), strict=False):
            yield line


def _matters(one: PolicyAccount, account: Account, kind: Kind) -> bool:
    if one.mode == SHADOW:
        return False
    if one.state is State.FAILED or one.policy in account.verdict.policies:
        return True
    # Refused for lack of a permit: the permits, and why they do not apply.
    is_bare = kind.after is Ruling.REFUSE and not account.verdict.policies
    return is_bare and one.effect == "permit"


def _unknown(of: Report) -> Iterator[str]:
    simulated = of.found.simulated
    for title, tallies in (
        ("cannot be made again", simulated.undecided),
        ("not reproducible", simulated.unreproducible),
    ):
        for reason, tally in sorted(tallies.items(), key=lambda one: -one[1].count):
            yield ""
            yield f"{title}: {counted(tally.count, 'call')}: {reason}"
            yield f"  tools: {_most(tally.tools)}"
            yield f"  for example: {', '.join(example.call for example in tally.examples)}"


def _unused(of: Report) -> Iterator[str]:
    unused = list(of.unused)
    if unused:
        yield ""
        yield "policies that decided none of these calls:"
    for policy, use in unused:
        scope = f"in scope of {use.in_scope}" if use.in_scope else "in scope of none"
        yield f"  {policy.id} ({of.grounds.place_of(policy)}): {scope}"


def _sum(of: Report) -> str:
    simulated = of.found.simulated
    if not simulated.flipped:
        as_what = "as recorded" if of.against == "recorded" else f"as by {of.against}"
        return f"nothing flips: {counted(simulated.decided, 'decision')} come out {as_what}"
    changes = ", ".join(f"{count} {change}" for change, count in sorted(simulated.changes.items()))
    return f"{simulated.flipped} of {counted(simulated.decided, 'decision')} flip: {changes}"


def _change(kind: Kind) -> str:
    return f"{kind.before} → {kind.after}"


def _at(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _most(counter: Counter[str]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in counter.most_common(MAX_NAMES))
    more = len(counter) - MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _markdown(of: Report) -> Iterator[str]:
    """For a comment in a merge request; nothing in it that calls say is markup."""
    yield f"### {_plain(_sum(of))}"
    yield ""
    yield from (f"- {_plain(line)}" for line in _head(of))
    if of.undecided is not None:
        yield f"- **{_plain(of.undecided)}**"
    if of.kinds:
        yield ""
        yield "| change | calls | tool | because | principals | example |"
        yield "|---|--:|---|---|---|---|"
    for kind, tally in of.kinds:
        example = tally.examples[0].call if tally.examples else ""
        cells = (
            _change(kind),
            str(tally.count),
            kind.tool,
            _causes(kind),
            _most(tally.principals),
            example,
        )
        yield f"| {' | '.join(map(_plain, cells))} |"
    rest = [*_unknown(of), *_unused(of)]
    if rest:
        yield ""
        yield "```text"
        yield from (printable(line).replace("`", "'") for line in rest if line)
        yield "```"


def _plain(text: str) -> str:
    """The text, with nothing in it that Markdown would take for more: links among it."""
    said = "".join(f"&#{ord(one)};" if one in _MARKUP else one for one in printable(text))
    return said.replace("://", "&#58;//").replace("www.", "www&#46;")


def _junit(of: Report) -> str:
    """One `testcase` a kind of flip, and one for what is not known."""
    suite = ElementTree.Element("testsuite", {"name": "callgate replay"})
    for kind, tally in of.kinds:
        failed = kind.change in of.excess
        lines = _flip(of, kind, tally) if failed else ()
        name = f"{kind.change} {kind.tool}: {_causes(kind)}"
        _case(suite, name, f"{counted(tally.count, 'call')}" if failed else None, lines)
    _case(suite, "every decision can be made again", of.undecided, _unknown(of))
    if not of.kinds:
        _case(suite, _sum(of), None, ())
    failures = len(suite.findall("testcase/failure"))
    counts = {"tests": str(len(suite)), "failures": str(failures), "errors": "0"}
    for name, value in counts.items():
        suite.set(name, value)
    root = ElementTree.Element("testsuites", {"name": "callgate replay", **counts})
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, name: str, problem: str | None, lines: Iterable[str]) -> None:
    attributes = {"classname": "callgate replay", "name": printable(name)}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if problem is not None:
        failure = ElementTree.SubElement(case, "failure", {"message": printable(problem)})
        failure.text = "\n".join(map(printable, lines))


def _as_json(of: Report) -> dict[str, Json]:
    simulated = of.found.simulated
    uses = simulated.uses(policy.id for policy in of.policies)
    return {
        "decisions": simulated.decided + simulated.unknown,
        "decided": simulated.decided,
        "permitted": simulated.permitted,
        "reproduced": simulated.checked,
        "taken_as_recorded": dict(simulated.unchecked),
        "before_policy": dict(of.found.unasked),
        "first_at": _at(simulated.first_at),
        "last_at": _at(simulated.last_at),
        "changes": dict(sorted(simulated.changes.items())),
        "flips": [_flip_json(of, kind, tally) for kind, tally in of.kinds],
        "undecided": _tallies(simulated.undecided),
        "not_reproducible": _tallies(simulated.unreproducible),
        "policies": [
            {
                "id": policy.id,
                "place": of.grounds.place_of(policy),
                "mode": policy.mode,
                "in_scope": use.in_scope,
                "decided": use.decided,
                "alone": use.alone,
            }
            for policy, use in zip(of.policies, uses, strict=True)
        ],
        "fails": {"flips": list(of.excess), "undecided": of.undecided},
    }


def _flip_json(of: Report, kind: Kind, tally: Tally) -> dict[str, Json]:
    return {
        "change": kind.change,
        "tool": kind.tool,
        "causes": [{"what": cause.what, "policy": cause.policy} for cause in kind.causes],
        "before_interceptors": tally.early,
        **_tally(tally),
        "examples": [
            {
                **_example(example),
                "reason": example.reason,
                "account": list(_account(of, example, kind)),
            }
            for example in tally.examples
        ],
    }


def _tallies(tallies: Mapping[str, Tally]) -> list[Json]:
    return [
        {
            "reason": reason,
            **_tally(tally),
            "tools": dict(tally.tools),
            "examples": [_example(example) for example in tally.examples],
        }
        for reason, tally in sorted(tallies.items())
    ]


def _tally(tally: Tally) -> dict[str, Json]:
    return {
        "count": tally.count,
        "principals": dict(tally.principals),
        "first_at": _at(tally.first_at),
        "last_at": _at(tally.last_at),
    }


def _example(example: Example) -> dict[str, Json]:
    return {"call": example.call, "at": _at(example.at), "principal": example.principal}
