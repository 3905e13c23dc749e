"""Every refusal can be accounted for, clause by clause, and says what would have flipped it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.account import Account, State
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool

REFUND = a_tool()
ADA = a_principal("ada", "agents", tenant="acme", claims={"role": "clerk"})
SCOPE = 'action == Callgate::Action::"shop___refund", resource'


def engine(*texts: str) -> Engine:
    return Engine(read_policies((f"p{i}", text) for i, text in enumerate(texts)), Names())


def asked(**arguments: Any) -> Question:
    given = {"customer": "c", "amount": 2000, **arguments}
    return Question(principal=ADA, tool=REFUND, arguments=given, enriched={}, now=0.0)


def clauses(of: Account, policy: str) -> list[tuple[str, bool | None, dict[str, Any]]]:
    (one,) = [one for one in of.policies if one.policy == policy]
    return [(part.clause.text, part.holds, part.values) for part in one.clauses]


def near(of: Account) -> list[tuple[str, str]]:
    return [(miss.policy, miss.change) for miss in of.near]


LIMIT = f"""@id("limit") permit(principal in Callgate::Group::"agents", {SCOPE})
when {{ context.input.amount < 1000 && context.input has customer }};"""


def test_a_permit_that_fails_by_one_clause_is_a_near_miss_with_the_value_that_decided() -> None:
    account = engine(LIMIT).examine(asked())

    assert not account.verdict.is_permitted
    assert clauses(account, "limit") == [
        ("context.input.amount < 1000", False, {"context.input.amount": 2000}),
        ("context.input has customer", True, {"context.input.customer": "c"}),
    ]
    assert near(account) == [("limit", "context.input.amount < 1000")]


def test_places_are_those_of_the_file() -> None:
    account = engine(f"// a comment\n\n{LIMIT}").examine(asked())

    (policy,) = account.policies
    assert (policy.source, policy.line) == ("p0", 3)
    assert [part.clause.line for part in policy.clauses] == [4, 4]


def test_a_permit_that_fails_by_two_clauses_is_no_near_miss() -> None:
    text = LIMIT.replace("has customer", "has note")

    assert near(engine(text).examine(asked())) == []


def test_a_forbid_is_named_with_each_clause_that_would_have_to_turn() -> None:
    account = engine(
        LIMIT.replace("1000", "9000"),
        f'@id("big") forbid(principal, {SCOPE}) when {{ context.input.amount > 1500 }}'
        ' unless { principal in Callgate::Group::"leads" };',
    ).examine(asked())

    assert [one.policy for one in account.policies] == ["big", "limit"]
    assert near(account) == [
        ("big", "not (context.input.amount > 1500)"),
        ("big", 'principal in Callgate::Group::"leads"'),
    ]
    assert clauses(account, "big")[1] == (
        'principal in Callgate::Group::"leads"',
        True,  # an unless holds where its expression is false
        {"principal's groups": ["agents"]},
    )


def test_two_forbids_are_no_near_miss_of_either() -> None:
    forbid = f'@id("f{{}}") forbid(principal, {SCOPE}) when {{{{ context.input.amount > 5 }}}};'
    account = engine(LIMIT.replace("1000", "9000"), forbid.format(1), forbid.format(2)).examine(
        asked()
    )

    assert near(account) == []


def test_a_permit_for_another_group_is_a_near_miss() -> None:
    account = engine(
        f'@id("leads") permit(principal in Callgate::Group::"leads", {SCOPE});'
    ).examine(asked())

    assert account.policies == ()
    assert near(account) == [("leads", 'principal in Callgate::Group::"leads"')]


def test_a_clause_behind_a_guard_that_failed_was_not_reached_and_did_not_fail() -> None:
    text = f'@id("p") permit(principal, {SCOPE}) when {{ context.input has note && context.input.note == "x" }};'

    (policy,) = engine(text).examine(asked()).policies

    assert policy.state is State.UNSATISFIED
    assert [(part.holds, part.error) for part in policy.clauses] == [(False, ""), (None, "")]


def test_an_error_is_accounted_for_where_it_happened() -> None:
    text = f'@id("f") forbid(principal, {SCOPE}) when {{ context.input.amount * 9223372036854775807 > 5 }};'

    account = engine(LIMIT.replace("1000", "9000"), text).examine(asked())

    (failed, _) = account.policies
    assert (failed.policy, failed.state) == ("f", State.FAILED)
    assert failed.clauses[0].holds is None and "overflow" in failed.clauses[0].error


def test_tags_attributes_and_long_values_are_shown() -> None:
    text = f"""@id("p") permit(principal, {SCOPE}) when {{
        principal.hasTag("role") && principal.getTag("role") == "lead" && principal has tenant
        && principal.tenant == "acme" && context.input.customer == "x" }};"""

    values: dict[str, Any] = {}
    for _, _, found in clauses(engine(text).examine(asked(customer="y" * 500)), "p"):
        values |= found

    assert values == {
        'principal.getTag("role")': "clerk",
        "principal.tenant": "acme",
        "context.input.customer": "y" * 200 + "… (500 characters)",
    }


def test_shadow_policies_are_accounted_for_and_change_no_near_miss() -> None:
    shadow = f'@id("s") @mode("shadow") permit(principal, {SCOPE});'

    account = engine(LIMIT, shadow).examine(asked())

    assert [(one.policy, one.mode) for one in account.policies] == [
        ("limit", "active"),
        ("s", "shadow"),
    ]
    assert [flip.would for flip in account.verdict.flips] == ["permit"]
    assert near(account) == [("limit", "context.input.amount < 1000")]


def test_arguments_that_cannot_be_seen_exactly_leave_an_account_without_policies() -> None:
    account = engine(LIMIT).examine(asked(amount=2**70))

    assert account.policies == () and "cannot see" in account.verdict.reason


CONDITIONS = st.lists(
    st.sampled_from(
        [
            "context.input.amount < 10",
            "context.input.amount > 3",
            "context.input has note",
            'principal in Callgate::Group::"agents"',
            'principal in Callgate::Group::"leads"',
        ]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
POLICIES = st.lists(
    st.tuples(st.sampled_from(["permit", "forbid"]), CONDITIONS), min_size=1, max_size=4
)


@given(POLICIES, st.integers(0, 15))
@settings(max_examples=60, deadline=None)
def test_a_near_miss_of_a_permit_is_one_where_the_clause_alone_refused(
    parts: list[tuple[str, list[str]]], amount: int
) -> None:
    texts = [
        f'@id("p{i}") {effect}(principal, {SCOPE}) when {{ {" && ".join(conditions)} }};'
        for i, (effect, conditions) in enumerate(parts)
    ]
    account = engine(*texts).examine(asked(amount=amount))

    for miss in account.near:
        number = int(miss.policy[1:])
        effect, conditions = parts[number]
        if effect == "permit":
            kept = [text for text in conditions if text != miss.change] or ["true"]
            changed = f'@id("p{number}") permit(principal, {SCOPE}) when {{ {" && ".join(kept)} }};'
            again = engine(*texts[:number], changed, *texts[number + 1 :])
            assert again.authorize(asked(amount=amount)).is_permitted
