"""Default refuse, forbid wins, every error refuses; and each trap of cedar.md §6 stays shut."""

from typing import Any

import pytest

from callgate.model import Principal, Tool, Verdict
from callgate.policy.answers import NO_PERMIT
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool

REFUND = a_tool()
ANY = a_tool("shop", "any", {"type": "object", "properties": {"x": {}}})
ADA = a_principal("ada", "agents", claims={"role": "clerk", "exp": 5, "teams": ["a", "b"]})


def engine(*texts: str, **more: Any) -> Engine:
    return Engine(read_policies((f"p{i}", text) for i, text in enumerate(texts)), Names(), **more)


def ask(
    of: Engine, principal: Principal = ADA, tool: Tool = REFUND, now: float = 0.0, **arguments: Any
) -> Verdict:
    enriched = arguments.pop("enriched", {})
    return of.authorize(
        Question(principal=principal, tool=tool, arguments=arguments, enriched=enriched, now=now)
    )


PERMIT = '@id("p") permit(principal, action, resource);'
LIMIT = """@id("limit") permit(principal in Callgate::Group::"agents",
    action == Callgate::Action::"shop___refund", resource == Callgate::Gateway::"main")
    when { context.input.amount <= 500 };"""


def test_without_policies_everything_is_refused() -> None:
    assert ask(engine(), customer="c", amount=1) == Verdict(
        is_permitted=False, reason=NO_PERMIT, version=engine().version
    )


def test_a_permit_decides_on_the_arguments() -> None:
    of = engine(LIMIT)

    assert ask(of, customer="c", amount=500).policies == ("limit",)
    assert ask(of, customer="c", amount=500).is_permitted
    assert not ask(of, customer="c", amount=501).is_permitted


def test_a_forbid_wins_and_offers_its_reason_annotation() -> None:
    of = engine(PERMIT, '@id("f") @reason("Not today.") forbid(principal, action, resource);')

    verdict = ask(of, customer="c", amount=1)

    assert (verdict.is_permitted, verdict.policies, verdict.advice) == (False, ("f",), "Not today.")


def test_the_advice_of_a_permit_is_never_offered() -> None:
    of = engine('@reason("inner thoughts") permit(principal, action, resource);')

    assert ask(of, customer="c", amount=1).advice is None


def test_groups_tags_tenant_and_agent_are_facts() -> None:
    who = a_principal("eve", "x", tenant="acme", agent="bot", claims={"scope": "a b", "n": [1]})
    for condition in (
        'principal in Callgate::Group::"x"',
        'principal.hasTag("scope") && principal.getTag("scope") like "*b*"',
        'principal.hasTag("n") && principal.getTag("n") == "[1]"',
        'principal has tenant && principal.tenant == "acme"',
        'principal has agent && principal.agent == "bot"',
        'principal.issuer == "https://idp" && principal.id == "eve"',
        "principal is Callgate::OAuthUser",
        'action in Callgate::Action::"shop" && action in Callgate::Action::"CallTool"',
    ):
        of = engine(f"permit(principal, action, resource) when {{ {condition} }};")
        assert ask(of, who, customer="c", amount=1).is_permitted, condition


def test_an_anonymous_caller_is_not_a_user() -> None:
    of = engine("permit(principal is Callgate::OAuthUser, action, resource);")

    assert ask(of, customer="c", amount=1).is_permitted
    assert not ask(of, a_principal(kind="anonymous"), customer="c", amount=1).is_permitted


def test_names_of_tools_and_principals_cannot_break_out_of_their_place() -> None:
    odd = a_tool("shop", 'x"] , principal; //\n', {"properties": {'q"': {"type": "string"}}})
    eve = a_principal('eve"\n\0; permit', 'gr"oup')
    of = engine('permit(principal in Callgate::Group::"gr\\"oup", action, resource);')

    assert ask(of, eve, odd).is_permitted
    assert of.is_listed(eve, odd, 0.0)


def test_the_namespace_and_gateway_are_configurable_as_agentcore_has_them() -> None:
    text = """permit(principal is AgentCore::OAuthUser,
        action == AgentCore::Action::"shop___refund",
        resource == AgentCore::Gateway::"arn:aws:gw/refund")
        when { principal.hasTag("role") && principal.getTag("role") == "clerk"
               && context.input.amount < 1000 };"""
    of = Engine(
        read_policies([("p", text)]), Names(namespace="AgentCore", gateway="arn:aws:gw/refund")
    )

    assert ask(of, customer="c", amount=999).is_permitted
    assert not ask(of, customer="c", amount=2000).is_permitted


class TestTraps:
    """Cedar skips a forbid that errs; nothing an agent sends may make one err."""

    GUARDED = '@id("f") forbid(principal, action, resource) when { context.input has note && context.input.note == "x" };'

    @pytest.mark.parametrize(
        "note",
        [
            {"__extn": {"fn": "unknown", "arg": "z"}},
            {"__entity": {"type": "Callgate::Group", "id": "agents"}},
            5,
            None,
            ["x"],
        ],
    )
    def test_a_crafted_argument_cannot_switch_a_forbid_off(self, note: Any) -> None:
        assert not ask(engine(PERMIT, self.GUARDED), customer="c", amount=1, note=note).is_permitted

    def test_overflow_in_a_forbid_refuses_and_says_which_policy_failed(self) -> None:
        text = (
            '@id("f") forbid(principal, action, resource) '
            "when { context.input.amount * 9223372036854775807 > 5 };"
        )

        verdict = ask(engine(PERMIT.replace("action", 'action == Callgate::Action::"shop___refund"'),
                             text.replace("action", 'action == Callgate::Action::"shop___refund"', 1)),
                      customer="c", amount=3)  # fmt: skip

        assert not verdict.is_permitted and verdict.errors and "f" in verdict.reason

    def test_an_unguarded_optional_attribute_makes_the_policy_unfit_and_refuses(self) -> None:
        of = engine(
            PERMIT,
            '@id("f") forbid(principal, action, resource) when { context.input.note == "x" };',
        )

        verdict = ask(of, customer="c", amount=1)

        assert verdict.reason == "policy f does not fit the tool's schema"
        assert not of.is_listed(ADA, REFUND, 0.0)

    def test_a_set_test_on_a_string_is_unfit_too(self) -> None:
        of = engine(
            PERMIT, 'forbid(principal, action, resource) when { context.input.customer in ["a"] };'
        )

        assert not ask(of, customer="a", amount=1).is_permitted

    def test_an_unfit_policy_refuses_only_those_it_could_decide_about(self) -> None:
        of = engine(
            PERMIT,
            'forbid(principal in Callgate::Group::"x", action, resource) when { context.input.note == "x" };',
        )

        assert ask(of, customer="c", amount=1).is_permitted
        assert not ask(of, a_principal("eve", "x"), customer="c", amount=1).is_permitted

    def test_action_groups_exist(self) -> None:
        of = engine(PERMIT, 'forbid(principal, action in Callgate::Action::"shop", resource);')

        assert not ask(of, customer="c", amount=1).is_permitted

    def test_a_group_without_members_elsewhere_still_forbids(self) -> None:
        of = engine(
            PERMIT,
            'forbid(principal, action, resource) when { principal in Callgate::Group::"agents" };',
        )

        assert not ask(of, customer="c", amount=1).is_permitted

    def test_untyped_arguments_are_text_that_cannot_smuggle_entities(self) -> None:
        of = engine(
            PERMIT,
            'forbid(principal, action == Callgate::Action::"shop___any", resource) '
            'when { context.input has x && context.input.x.json like "*admin*" };',
        )

        assert not ask(of, tool=ANY, x={"__entity": {"type": "Role", "id": "admin"}}).is_permitted
        assert ask(of, tool=ANY, x={"fine": 1}).is_permitted

    def test_a_number_policy_cannot_hold_is_refused_where_policy_reads_it_and_only_there(
        self,
    ) -> None:
        geo = a_tool("geo", "find", {"properties": {"lat": {"type": "number"}}})
        reads = 'permit(principal, action, resource) when { context.input has lat && context.input.lat.lessThan(decimal("90.0")) };'

        assert not ask(engine(reads), tool=geo, lat=48.8588443).is_permitted
        assert ask(engine(PERMIT), tool=geo, lat=48.8588443).is_permitted


def test_time_is_known_to_policy_and_verdicts_on_it_are_not_kept() -> None:
    of = engine(
        "permit(principal, action, resource) "
        'when { context.system.now < datetime("1970-01-02T00:00:00Z") };'
    )

    assert ask(of, now=0.0, customer="c", amount=1).is_permitted
    assert not ask(of, now=200_000.0, customer="c", amount=1).is_permitted
    assert of.is_listed(ADA, REFUND, 0.0) and not of.is_listed(ADA, REFUND, 200_000.0)
    assert of.varies_with_time(ADA, [REFUND])


def test_enriched_facts_are_typed_and_absent_where_nobody_gave_them() -> None:
    of = engine(
        'permit(principal, action, resource) when { context.enriched.geo has country && context.enriched.geo.country == "DE" };',
        enrichments={"geo": {"country": "string"}},
    )

    assert ask(of, customer="c", amount=1, enriched={"geo": {"country": "DE"}}).is_permitted
    assert not ask(of, customer="c", amount=1).is_permitted


class TestListing:
    def test_a_tool_that_some_arguments_could_use_is_shown(self) -> None:
        assert engine(LIMIT).is_listed(ADA, REFUND, 0.0)

    def test_a_tool_that_no_arguments_could_use_is_hidden(self) -> None:
        assert not engine().is_listed(ADA, REFUND, 0.0)
        assert not engine(LIMIT).is_listed(a_principal("eve"), REFUND, 0.0)
        assert not engine(LIMIT, "forbid(principal, action, resource);").is_listed(ADA, REFUND, 0.0)

    def test_a_conditional_forbid_does_not_hide(self) -> None:
        assert engine(PERMIT, TestTraps.GUARDED).is_listed(ADA, REFUND, 0.0)

    def test_conditions_on_the_principal_alone_are_decided_at_once(self) -> None:
        text = 'permit(principal, action, resource) when {{ principal.hasTag("role") && principal.getTag("role") == "{}" }};'

        assert engine(text.format("clerk")).is_listed(ADA, REFUND, 0.0)
        assert not engine(text.format("boss")).is_listed(ADA, REFUND, 0.0)

    def test_a_mix_of_principal_and_argument_conditions_is_decided_as_far_as_known(self) -> None:
        text = (
            "permit(principal, action, resource) when {{ "
            'principal.hasTag("role") && principal.getTag("role") == "{}" && context.input.amount < 5 }};'
        )

        assert engine(text.format("clerk")).is_listed(ADA, REFUND, 0.0)
        assert not engine(text.format("boss")).is_listed(ADA, REFUND, 0.0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.policy.engine.MAX_PRINCIPALS", 8)
    of = engine(LIMIT)

    verdicts = [ask(of, a_principal(f"u{i}", "agents"), customer="c", amount=1) for i in range(100)]

    assert all(verdict.is_permitted for verdict in verdicts)
    assert len(of._known) <= 8 and of._plan_count <= 8
