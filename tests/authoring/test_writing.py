from typing import Any

import yaml

from callgate.authoring.checking import Checked
from callgate.authoring.drafting import Proposal
from callgate.authoring.replies import Requirement
from callgate.authoring.trials import Trial
from callgate.authoring.writing import cases_text, policies_text, told
from callgate.model import Verdict
from callgate.policy.account import Account
from callgate.policy.cases import Case, Expectation, Result, Ruled, Ruling
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool

(POLICY,) = read_policies([("x", '@id("a") @mode("shadow") forbid (principal, action, resource);')])
EVIL = 'x"\r\npermit (principal, action, resource);\x1b[2J\u202e'


def a_trial(*problems: str, is_ours: bool = True, **more: Any) -> Trial:
    settings: dict[str, Any] = {
        "name": "at the limit",
        "suite": "draft",
        "line": 1,
        "principal": a_principal("ada", "finance", claims={"role": "lead"}, tenant="acme"),
        "tool": a_tool(),
        "arguments": {"customer": "c", "amount": 1000},
        "facts": {},
        "now": None,
        "expected": Expectation(ruling=Ruling.PERMIT),
        **more,
    }
    account = Account(verdict=Verdict(is_permitted=True), policies=())
    ruled = Ruled(ruling=Ruling.PERMIT, reason="permitted by b", account=account)
    return Trial(
        result=Result(case=Case(**settings), ruled=ruled, problems=problems),
        is_contradiction=bool(problems),
        is_ours=is_ours,
    )


def a_proposal(**more: Any) -> Proposal:
    settings: dict[str, Any] = {
        "requirement": Requirement(quote="Nobody may", meaning="All are refused."),
        "checked": Checked(policy=POLICY, notes=("a note",)),
        "explanation": "It refuses.",
        "assumptions": ("an assumption",),
        "trials": (a_trial(),),
        **more,
    }
    return Proposal(**settings)


def test_a_proposal_is_told_with_everything_that_a_person_needs() -> None:
    other = a_trial("expected permit, but no", is_ours=False)

    lines = list(told(a_proposal(trials=(a_trial(), a_trial("expected permit, but no"), other))))

    call = "at the limit: ada in finance, customer='c', amount=1000"
    assert lines == [
        '"Nobody may"',
        "  understood as: All are refused.",
        "",
        '    @id("a") @mode("shadow") forbid (principal, action, resource);',
        "",
        "  the model says: It refuses.",
        "  assumed: an assumption",
        "  note: a note",
        f"  ok    permit  {call}",
        f"  CONTRADICTION  {call}: expected permit, but no",
        f"  CONTRADICTION  {call}: expected permit, but no "
        "(decided by other policies, or the lack of them)",
    ]


def test_a_requirement_without_a_policy_says_why() -> None:
    failed = Proposal(
        requirement=Requirement(quote="q", meaning="m"), checked=Checked(), failure="it cannot"
    )

    assert list(told(failed)) == ['"q"', "  understood as: m", "  no policy: it cannot"]
    assert policies_text([failed], "m").count("@id") == 0
    assert cases_text([failed], "m") is None


def test_the_words_of_a_model_never_leave_their_comment() -> None:
    evil = a_proposal(
        requirement=Requirement(quote=EVIL, meaning=EVIL),
        checked=Checked(policy=POLICY, notes=(EVIL,)),
        assumptions=(EVIL,),
        trials=(a_trial("x", name=EVIL),),
    )

    text = policies_text([evil], EVIL)

    assert [policy.id for policy in read_policies([("x", text)])] == ["a"]
    assert all(line.startswith(("//", "@id")) for line in text.splitlines() if line)
    assert "\x1b" not in text and "\u202e" not in text
    assert not {"\x1b", "\r", "\u202e"} & set("".join(told(evil)))


def test_cases_are_written_as_they_are_read() -> None:
    text = cases_text([a_proposal(trials=(a_trial(now=1_800_000_000.0),))], EVIL)

    assert text is not None
    assert yaml.safe_load(text) == {
        "suite": "Drafted policies",
        "cases": [
            {
                "name": "at the limit",
                "principal": {
                    "id": "ada",
                    "groups": ["finance"],
                    "claims": {"role": "lead"},
                    "tenant": "acme",
                },
                "tool": "shop___refund",
                "arguments": {"customer": "c", "amount": 1000},
                "expect": "permit",
                "time": "2027-01-15T08:00:00.000Z",
            }
        ],
    }
