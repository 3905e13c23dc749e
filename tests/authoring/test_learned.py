"""A draft from calls as text: comments that nothing can leave, and cases that can be run."""

import yaml

from callgate.authoring.learned import Basis, cases_text, comments, policies_text
from callgate.config.suites import Cast, cases_of, read_suite
from callgate.policy.cases import run
from callgate.policy.engine import Engine
from callgate.policy.learning.bounding import Level
from callgate.policy.learning.proposing import Proposed, propose
from callgate.policy.names import Names
from callgate.policy.source import ACTIVE, SHADOW, read_policies
from fakes.calls import a_principal
from fakes.seen import a_defined_tool, a_seen_call, learnt

BASIS = Basis(level=Level.STRICT, calls=2, first_at=0.0, last_at=60.0)
PING = a_defined_tool("ping", {"type": "object"})


def proposals(*names: str) -> tuple[Proposed, ...]:
    ledger = learnt(
        a_seen_call({}, a_principal(name), PING, at=60.0 * number)
        for number, name in enumerate(names)
    )
    return propose(ledger, Level.STRICT, Names())


def test_each_policy_stands_below_what_it_rests_on() -> None:
    assert policies_text(proposals("ada", "bob"), BASIS, SHADOW).splitlines()[:8] == [
        "// Drafted from 2 calls that ran, 1970-01-01 00:00Z to 1970-01-01 00:01Z.",
        "// --generalise strict: each principal may do what it did: listed values, exact ranges.",
        "// Read every policy before you rely on it.",
        "//",
        "// shop___ping, by ada, bob: 2 calls, 1970-01-01 00:00Z to 1970-01-01 00:01Z",
        '@id("seen-shop-ping")',
        '@mode("shadow")',
        "permit (",
    ]
    assert "@mode" not in policies_text(proposals("ada"), BASIS, ACTIVE)


def test_nothing_in_a_comment_can_leave_it() -> None:
    hostile = 'x\n@id("evil") permit(principal, action, resource); //\u202e\r\u2028'

    (one,) = proposals(hostile)
    (policy,) = read_policies([("d", policies_text((one,), BASIS, ACTIVE))])

    assert policy.principal.uids == (("Callgate::OAuthUser", hostile),)
    assert all(line.startswith("// ") and line.isprintable() for line in comments(one))


def test_many_names_are_cut_short() -> None:
    (first, *_) = comments(proposals(*(f"u{number}" for number in range(9)))[0])

    assert "u0, u1, u2, u3, u4 and 4 more" in first


def test_what_is_not_bound_and_whole_groups_are_said() -> None:
    calls = [
        a_seen_call({"order": "A", "price": 0.00001}, a_principal(name, "g"))
        for name in ("ada", "bob")
    ]

    (one,) = propose(learnt(calls), Level.BOUNDED, Names())

    assert list(comments(one))[1:] == [
        "// Everybody who called as a member of g did so.",
        "// Not bound: price (not exact: policy compares numbers with 4 decimals at most).",
    ]


def test_the_cases_say_what_the_draft_does() -> None:
    seen = a_seen_call(
        {"order": "A-1", "amount": 5}, a_principal("ada", kind="api_key", issuer="callgate")
    )
    refused = a_seen_call({"order": "A-2"}, a_principal("eve"))
    proposed = propose(learnt([seen]), Level.STRICT, Names())

    text = cases_text(proposed, [refused])

    assert text is not None
    cases = cases_of(read_suite(text, "draft.cases.yaml"), Cast(tools=(), targets=()))
    engine = Engine(read_policies([("d", policies_text(proposed, BASIS, ACTIVE))]), Names())
    assert [run(engine, case, lambda tool, arguments: None).problems for case in cases] == [(), ()]
    assert [case["expect"] for case in yaml.safe_load(text)["cases"]] == ["permit", "refuse"]


def test_without_calls_there_are_no_cases() -> None:
    assert cases_text((), []) is None
