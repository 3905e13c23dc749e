"""Suites of cases: everything named is found, and everything wrong is said with its place."""

from pathlib import Path
from typing import Any

import pytest

from callgate.config.problems import ConfigError
from callgate.config.suites import Cast, case_files, cases_of, read_suite
from callgate.model import Principal
from callgate.policy.cases import Case, Expectation, Ruling
from callgate.protocol.methods import method_tool
from fakes.calls import a_principal, a_tool

SUITE = """\
suite: refunds
principals:
  sam: {groups: [support], agent: desk, claims: {role: clerk}}
  lea: {id: lea@example, groups: [leads], kind: api_key}
tools:
  git___log: {inputSchema: {type: object, properties: {count: {type: integer}}}}
defaults:
  principal: sam
  tool: shop___refund
  arguments: {customer: c, amount: 5}
  facts: {risk: {score: 1}}
  time: 2026-10-01T12:00:00Z
cases:
  - name: small ones are permitted
    expect: permit
  - name: large ones are not
    principal: lea
    arguments: {amount: 500}
    facts: {risk: {score: 9}}
    time: 2026-10-02T12:00:00+02:00
    expect: {verdict: refuse, policies: [large], reason: forbidden, advice: a lead}
  - name: others
    principal: {id: eve, tenant: t, issuer: "https://other"}
    tool: git___log
    expect: invalid
  - name: a method
    principal: key
    tool: shop___resources/read
    arguments: {uri: "x:y"}
    expect: error
"""
CAST = Cast(
    tools=(a_tool(),),
    targets=("shop", "down"),
    silent={"down": "it did not answer"},
    principals={"key": a_principal("key")},
    facts={"risk": {"score": "integer"}},
    issuer="https://idp",
)


def cases(text: str, cast: Cast = CAST) -> tuple[Case, ...]:
    return cases_of(read_suite(text, "s.yaml"), cast)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        cases(text)
    return [str(problem) for problem in raised.value.problems]


def test_a_case_is_filled_in_with_what_it_names_and_what_holds_by_default() -> None:
    sam = Principal(
        id="sam",
        issuer="https://idp",
        kind="jwt",
        claims={"role": "clerk"},
        groups=("support",),
        agent="desk",
    )
    lea = Principal(id="lea@example", issuer="callgate", kind="api_key", groups=("leads",))
    eve = Principal(id="eve", issuer="https://other", kind="jwt", tenant="t")
    first, second, third, fourth = cases(SUITE)

    common: dict[str, Any] = {"suite": "s.yaml", "facts": {"risk": {"score": 1}}}
    noon = 1_790_856_000.0
    assert first == Case(
        name="small ones are permitted",
        line=14,
        principal=sam,
        tool=a_tool(),
        arguments={"customer": "c", "amount": 5},
        now=noon,
        expected=Expectation(ruling=Ruling.PERMIT),
        **common,
    )
    assert second == Case(
        name="large ones are not",
        line=16,
        principal=lea,
        tool=a_tool(),
        arguments={"customer": "c", "amount": 500},
        now=noon + 22 * 3600,
        expected=Expectation(
            ruling=Ruling.REFUSE, policies=("large",), reason="forbidden", advice="a lead"
        ),
        **{**common, "facts": {"risk": {"score": 9}}},
    )
    assert (third.principal, third.tool.qualified_name) == (eve, "git___log")
    assert (fourth.principal, fourth.tool) == (
        a_principal("key"),
        method_tool("shop", "resources/read"),
    )


def test_only_tools_that_are_not_written_out_are_wanted() -> None:
    assert read_suite(SUITE, "s").wanted() == {"shop___refund", "shop___resources/read"}


HEAD = "defaults: {principal: {id: a}, tool: shop___refund}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "cases: [{name: a, expct: permit}]",
            ["s.yaml:1:9: cases[0].expect: is missing; add it",
             "s.yaml:1:19: cases[0].expct: unknown key; did you mean 'expect'?"],
        ),
        (
            "cases: [{name: a, expect: allow}]",
            ["s.yaml:1:19: cases[0].expect: must be 'permit', 'refuse', 'error' or 'invalid'"],
        ),
        (
            "cases: [{name: a, expect: {verdict: permit, reson: x}}]",
            ["s.yaml:1:45: cases[0].expect.reson: unknown key; did you mean 'reason'?"],
        ),
        (
            HEAD + "cases: [{name: a, principal: {id: a, group: [b]}, expect: permit}]",
            ["s.yaml:2:38: cases[0].principal.group: unknown key; did you mean 'groups'?"],
        ),
        ("cases: []", ["s.yaml:1:1: cases: there is no case; add one"]),
        (
            "cases: [{name: a, expect: permit}]",
            ["s.yaml:1:9: cases[0]: no `principal`: say who calls, here or under `defaults`",
             "s.yaml:1:9: cases[0]: no `tool`: say what is called, here or under `defaults`"],
        ),
        (
            HEAD + "cases: [{name: a, principal: kye, tool: shop___refnd, expect: permit}]",
            ["s.yaml:2:19: cases[0].principal: nobody is called 'kye' under `principals`; "
             "did you mean 'key'?",
             "s.yaml:2:35: cases[0].tool: no tool is called 'shop___refnd'; "
             "did you mean 'shop___refund'?"],
        ),
        (
            HEAD + "cases: [{name: a, tool: down___x, expect: permit}]",
            ["s.yaml:2:19: cases[0].tool: the tools of down are not known: it did not answer; "
             "or write it out"],
        ),
        (
            HEAD + "cases: [{name: a, tool: shop___tools/call, expect: permit}]",
            ["s.yaml:2:19: cases[0].tool: no tool is called 'shop___tools/call'; "
             "known are shop___refund"],
        ),
        (
            HEAD + "cases: [{name: a, principal: {groups: [b]}, expect: permit}]",
            ["s.yaml:2:19: cases[0].principal: has no `id`; add it"],
        ),
        (
            HEAD + "cases: [{name: a, facts: {risk: {scor: 1}, rsk: {}}, expect: permit}]",
            ["s.yaml:2:34: cases[0].facts.risk.scor: risk does not add it; did you mean 'score'?",
             "s.yaml:2:44: cases[0].facts.rsk: no interceptor of this name adds facts; "
             "did you mean 'risk'?"],
        ),
        (
            "defaults: {principal: kye, tool: shop___refund}\n"
            "cases: [{name: a, expect: permit}, {name: b, expect: permit}]",
            ["s.yaml:1:12: defaults.principal: nobody is called 'kye' under `principals`; "
             "did you mean 'key'?"],
        ),
        (
            "tools: {refund: {}, a___resources/read: {}}\ncases: [{name: a, expect: permit}]",
            ["s.yaml:1:9: tools.refund: must be called <target>___<tool>",
             "s.yaml:1:21: tools.a___resources/read: is named like a method of MCP, "
             "which policies could not tell from it"],
        ),
        (
            HEAD + "cases: [{name: a, time: 2026-10-01, expect: permit}]",
            ["s.yaml:2:19: cases[0].time: must say its time zone, as in 2027-01-31T00:00:00Z"],
        ),
        ("a: [", ["s.yaml:1:5: not valid YAML: expected the node content, but found '<stream end>'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_line_and_fix(text: str, said: list[str]) -> None:
    assert problems(text) == said


def test_files_are_taken_as_they_are_and_directories_are_searched(tmp_path: Path) -> None:
    for name in ("b.yaml", "deep/a.yml", "deep/note.txt", "other.yaml"):
        (tmp_path / "cases" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cases" / name).write_text("")

    found = case_files([tmp_path / "cases", tmp_path / "one.txt"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "cases/b.yaml",
        "cases/deep/a.yml",
        "cases/other.yaml",
        "one.txt",
    ]
