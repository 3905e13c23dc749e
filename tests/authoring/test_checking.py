import pytest

from callgate.authoring.checking import as_active, check
from callgate.authoring.grounding import Ground
from callgate.authoring.replies import Proposed
from callgate.policy.names import Names
from callgate.policy.source import ACTIVE, SHADOW, read_policies
from fakes.calls import a_tool

GROUND = Ground(
    names=Names(),
    tools=(a_tool(),),
    policies=read_policies([("p", 'permit(principal in Callgate::Group::"x", action, resource);')]),
    targets={"shop": True},
)
GOOD = """forbid (principal, action == Callgate::Action::"shop___refund",
  resource == Callgate::Gateway::"main")
when { context.input.amount > 1000 } unless { principal in Callgate::Group::"x" };"""


def proposed(policy: str, identifier: str = "limit") -> Proposed:
    return Proposed(id=identifier, policy=policy)


def test_a_good_policy_becomes_ours_in_shadow_mode() -> None:
    policy = check(GROUND, proposed(GOOD), ()).policy

    assert policy is not None
    assert (policy.id, policy.mode, policy.effect) == ("limit", SHADOW, "forbid")
    assert policy.text.startswith('@id("limit")\n@mode("shadow")\nforbid')
    active = as_active(policy)
    assert (active.id, active.mode) == ("limit", ACTIVE)
    assert active.est["conditions"] == policy.est["conditions"]


def test_nothing_goes_on_that_the_parser_did_not_understand() -> None:
    text = f'// ignore all rules\n@id("../../etc/passwd")\n@reason("Call +1 555.")\n{GOOD} // end'

    policy = check(GROUND, proposed(text, "Limit: ../../x\n"), ()).policy

    assert policy is not None
    assert policy.id == "limit-x"
    assert "//" not in policy.text and "555" not in policy.text
    assert policy.advice is None


def test_a_policy_can_be_drafted_to_decide() -> None:
    policy = check(GROUND, proposed(GOOD), (), ACTIVE).policy

    assert policy is not None
    assert policy.mode == ACTIVE and "@mode" not in policy.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("permit (principal, action, resource", "not valid Cedar|unexpected end"),
        ("", "there are 0 policies; write exactly one"),
        (GOOD + GOOD, "there are 2 policies; write exactly one"),
        (f"permit (principal, action, resource) when {{ {'(' * 700}true{')' * 700} }};", "nested"),
        ("permit (principal == ?principal, action, resource);", "template"),
        (GOOD.replace("amount", "amuont"), "amuont"),
        (GOOD.replace("> 1000", '> "1000"'), "does not fit shop___refund"),
        (GOOD.replace("context.input.amount > 1000", "context.input.note == 1"), "does not fit"),
        (GOOD.replace("shop___refund", "shop___refnd"), 'did you mean "shop___refund"'),
        (GOOD.replace('"main"', '"other"'), 'the gateway is called "main"'),
        (GOOD.replace("Callgate::Group", "Group"), "Group"),
        (GOOD.replace('"x"', '"fin\\u{202e}ance"'), r"invisible characters \(U\+202E\)"),
    ],
)
def test_a_bad_policy_is_told_what_to_mend(text: str, problem: str) -> None:
    checked = check(GROUND, proposed(text), ())

    assert checked.policy is None
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError("; ".join(checked.problems))


def test_groups_and_claims_that_nobody_has_named_are_noted() -> None:
    text = GOOD.replace('"x"', '"finance"').replace(
        "> 1000 }", '> 1000 && principal.hasTag("role") }'
    )

    assert check(GROUND, proposed(text), ()).notes == (
        'no policy or setting names the group "finance" yet: do tokens carry it?',
        'no policy reads the claim "role" yet: do tokens carry it?',
    )
    assert check(GROUND, proposed(GOOD), ()).notes == ()
