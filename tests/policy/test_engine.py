"""Default refuse, forbid wins, every error refuses; and each trap of cedar.md §6 stays shut."""

from typing import Any

import pytest
from cedarpy import _internal

from callgate.model import Flip, Principal, Tool, Verdict
from callgate.policy.answers import NO_PERMIT
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.methods import method_tool
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


class TestShadow:
    """A shadow policy decides nothing, and what it would have done is told."""

    SHADOW = '@id("s") @mode("shadow") forbid(principal, action, resource) when { context.input.amount > 5 };'

    def test_a_flip_is_told_and_the_verdict_stays(self) -> None:
        of = engine(LIMIT, self.SHADOW)

        small, large = (ask(of, customer="c", amount=amount) for amount in (5, 6))

        assert small.is_permitted and small.flips == ()
        assert large.is_permitted and large.policies == ("limit",)
        assert large.flips == (Flip(policy="s", would="refuse", reason="forbidden by s"),)

    def test_a_shadow_permit_would_let_through_what_is_refused(self) -> None:
        of = engine('@id("s") @mode("shadow") permit(principal, action, resource);')

        assert of.may_permit(ADA, REFUND).is_permitted  # so that it is asked with the arguments
        verdict = ask(of, customer="c", amount=1)

        assert not verdict.is_permitted and verdict.reason == NO_PERMIT
        assert [(flip.policy, flip.would) for flip in verdict.flips] == [("s", "permit")]
        assert not of.is_listed(ADA, REFUND, 0.0)

    def test_each_shadow_is_tried_beside_the_active_ones_alone(self) -> None:
        of = engine(
            self.SHADOW,
            '@id("t") @mode("shadow") permit(principal, action, resource);',
        )

        assert [flip.policy for flip in ask(of, customer="c", amount=9).flips] == ["t"]

    def test_a_shadow_that_fails_or_does_not_fit_or_cannot_see_refuses_nothing(self) -> None:
        fails = self.SHADOW.replace("amount >", "amount * 9223372036854775807 >")
        unfit = '@id("u") @mode("shadow") forbid(principal, action, resource) when { context.input.note == "x" };'
        of = engine(PERMIT, fails, unfit)

        verdict = ask(of, customer="c", amount=2**62)

        assert verdict.is_permitted
        assert [(flip.policy, flip.would) for flip in verdict.flips] == [
            ("s", "refuse"),
            ("u", "refuse"),
        ]
        assert ask(of, customer="c", amount=2**70).is_permitted

    def test_an_unconditional_verdict_keeps_its_flips_when_it_is_reused(self) -> None:
        of = engine(PERMIT, '@id("s") @mode("shadow") forbid(principal, action, resource);')

        verdicts = [ask(of, customer="c", amount=1) for _ in range(2)]

        assert verdicts[0] is verdicts[1] and verdicts[0].flips


class TestObserve:
    """An engine that observes says what it would refuse, and refuses nothing."""

    def test_a_refusal_lets_through_and_is_not_permitted(self) -> None:
        of = engine(LIMIT, mode="observe")

        verdict = ask(of, customer="c", amount=900)

        assert (verdict.is_permitted, verdict.is_enforced, verdict.lets_through) == (
            False,
            False,
            True,
        )
        assert of.may_permit(a_principal("eve"), REFUND).lets_through

    def test_failures_let_through_too(self) -> None:
        of = engine(LIMIT.replace("amount", "amuont"), mode="observe")

        assert ask(of, customer="c", amount=1).lets_through
        assert ask(engine(LIMIT, mode="observe"), customer="c", amount=2**70).lets_through

    def test_everything_is_listed_and_no_list_is_forbidden(self) -> None:
        of = engine("forbid(principal, action, resource);", mode="observe")

        assert of.is_listed(ADA, REFUND, 0.0)
        assert of.could_be_used(ADA, REFUND, {}, 0.0)
        assert not of.is_forbidden(ADA, REFUND, 0.0)


def test_handles_are_bounded_by_the_policies_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.policy.plans.MAX_HANDLED", 10)
    of = engine(
        *(f'permit(principal in Callgate::Group::"g{i}", action, resource);' for i in range(30))
    )

    for i in range(30):
        assert ask(
            of, a_principal(f"u{i}", f"g{i}", f"g{(i + 1) % 30}"), customer="c", amount=1
        ).is_permitted

    assert of._plans._handled <= 10


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.policy.plans.MAX_PRINCIPALS", 8)
    of = engine(LIMIT)

    verdicts = [ask(of, a_principal(f"u{i}", "agents"), customer="c", amount=1) for i in range(100)]

    assert all(verdict.is_permitted for verdict in verdicts)
    plans = of._plans
    assert len(plans._known) <= 8 and plans._plan_count <= 8


READ = method_tool("git", "resources/read")
PROMPT = method_tool("git", "prompts/get")
LIST = method_tool("git", "resources/list")
ELICIT = method_tool("git", "elicitation/create")
SAMPLE = method_tool("git", "sampling/createMessage")
LOG = a_tool("git", "log", {"properties": {"repo_path": {"type": "string"}}})
GIVEN: dict[str, dict[str, Any]] = {
    "resources/read": {"uri": "file:///a"},
    "prompts/get": {"name": "review"},
    "elicitation/create": {"message": "Sure?"},
    "sampling/createMessage": {"messages": [], "maxTokens": 5},
}


class TestMethods:
    @pytest.mark.parametrize(
        ("scope", "permitted"),
        [
            ("action", [LOG, READ, PROMPT, LIST, ELICIT, SAMPLE]),
            ('action in Callgate::Action::"git"', [LOG, READ, PROMPT, LIST]),
            ('action in Callgate::Action::"CallTool"', [LOG]),
            ('action in Callgate::Action::"Mcp"', [LOG, READ, PROMPT, LIST]),
            ('action in Callgate::Action::"AskClient"', [ELICIT, SAMPLE]),
            ('action in Callgate::Action::"resources/read"', [READ]),
            ('action in Callgate::Action::"elicitation/create"', [ELICIT]),
            ('action == Callgate::Action::"git___log"', [LOG]),
            ('action == Callgate::Action::"git___resources/read"', [READ]),
            ('action == Callgate::Action::"git___elicitation/create"', [ELICIT]),
            ('action == Callgate::Action::"shop___resources/read"', []),
            ('action in Callgate::Action::"shop"', []),
        ],
    )
    def test_a_scope_holds_what_its_group_does_and_no_more(
        self, scope: str, permitted: list[Tool]
    ) -> None:
        in_scope = engine(f"permit(principal, {scope}, resource);")
        in_condition = engine(
            "permit(principal, action, resource) when {{ {} }};".format(
                "true" if scope == "action" else scope
            )
        )

        for of in (in_scope, in_condition):
            for tool in (LOG, READ, PROMPT, LIST, ELICIT, SAMPLE):
                verdict = ask(of, tool=tool, **GIVEN.get(tool.method, {}))
                assert verdict.is_permitted == (tool in permitted), tool.qualified_name

    def test_a_forbid_on_a_target_holds_for_its_methods(self) -> None:
        of = engine(PERMIT, 'forbid(principal, action in Callgate::Action::"git", resource);')

        assert not ask(of, tool=READ, uri="file:///a").is_permitted

    def test_params_of_a_method_are_the_input(self) -> None:
        of = engine(
            'permit(principal, action in Callgate::Action::"resources/read", resource) '
            'when { context.input.uri like "file:///docs/*" };',
            'permit(principal, action == Callgate::Action::"git___sampling/createMessage", '
            "resource) when { context.input.maxTokens <= 100 };",
        )

        assert ask(of, tool=READ, uri="file:///docs/a").is_permitted
        assert not ask(of, tool=READ, uri="file:///etc/passwd").is_permitted
        assert ask(of, tool=SAMPLE, messages=[{"role": "user"}], maxTokens=100).is_permitted
        assert not ask(of, tool=SAMPLE, messages=[], maxTokens=101).is_permitted

    def test_a_policy_on_the_arguments_of_tools_refuses_where_there_are_no_such(self) -> None:
        of = engine(
            PERMIT,
            'forbid(principal, action in Callgate::Action::"git", resource) '
            'when { context.input has repo_path && context.input.repo_path like "/etc*" };',
            'forbid(principal, action in Callgate::Action::"git", resource) '
            'when { context.input.uri like "x*" };',
        )

        assert ask(of, tool=READ, uri="file:///a").is_permitted
        assert ask(of, tool=LOG, repo_path="/a").reason.endswith("does not fit the tool's schema")


class TestForbiddenLists:
    def test_no_permit_is_no_forbid(self) -> None:
        assert not engine().is_forbidden(ADA, LIST)
        assert not engine(LIMIT).is_forbidden(ADA, LIST)

    @pytest.mark.parametrize(
        "scope", ['== Callgate::Action::"git___resources/list"', 'in Callgate::Action::"git"']
    )
    def test_a_forbid_of_the_list_or_of_all_the_target_forbids(self, scope: str) -> None:
        of = engine(PERMIT, f"forbid(principal, action {scope}, resource);")

        assert of.is_forbidden(ADA, LIST) and of.is_forbidden(ADA, LIST)
        assert not of.is_forbidden(ADA, method_tool("shop", "resources/list"))

    def test_a_forbid_of_tools_alone_does_not(self) -> None:
        of = engine('forbid(principal, action in Callgate::Action::"CallTool", resource);')

        assert not of.is_forbidden(ADA, method_tool("git", "tools/list"))

    def test_conditions_on_the_principal_and_the_action_count(self) -> None:
        text = 'forbid(principal, action, resource) when {{ principal.id == "{}" }};'
        lists = 'forbid(principal, action, resource) when {{ action in Callgate::Action::"{}" }};'

        assert engine(text.format("ada")).is_forbidden(ADA, LIST)
        assert not engine(text.format("eve")).is_forbidden(ADA, LIST)
        assert engine(lists.format("resources/list")).is_forbidden(ADA, LIST)
        assert not engine(lists.format("prompts/list")).is_forbidden(ADA, LIST)

    def test_a_forbid_that_reads_arguments_does_not_count(self) -> None:
        forbid = "forbid(principal, action, resource) when {{ {} }};"

        for condition in (
            'context.input has cursor && context.input.cursor == "x"',
            'context.input.repo_path == "x"',  # fits tools, but no list
            "context.meta.extra.isEmpty()",
        ):
            assert not engine(forbid.format(condition)).is_forbidden(ADA, LIST, 0.0)

    def test_a_forbid_that_fails_without_arguments_forbids(self) -> None:
        text = "forbid(principal, action, resource) when { 9223372036854775807 + 1 > 0 };"

        assert engine(text).is_forbidden(ADA, LIST)

    def test_a_forbid_on_the_time_counts_where_the_time_is_given(self) -> None:
        of = engine(
            "forbid(principal, action, resource) "
            'when { context.system.now < datetime("1970-01-02T00:00:00Z") };'
        )

        assert [of.is_forbidden(ADA, LIST, now) for now in (0.0, 200_000.0, None, 0.0)] == [
            True, False, False, True
        ]  # fmt: skip


class TestKnownArguments:
    BY_NAME = 'permit(principal, action, resource) when {{ context.input.name == "{}"{} }};'

    def test_a_resource_is_usable_where_its_uri_is_permitted(self) -> None:
        of = engine(
            'permit(principal, action, resource) when { context.input.uri like "file:///docs/*" };'
        )

        assert of.is_usable(ADA, READ, {"uri": "file:///docs/a"}, 0.0)
        assert not of.is_usable(ADA, READ, {"uri": "file:///etc/a"}, 0.0)

    def test_cedar_is_asked_once_where_no_policy_reads_the_arguments(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[object] = []
        real = _internal.is_authorized

        def counted(*args: Any) -> Any:
            asked.append(args)
            return real(*args)

        monkeypatch.setattr(_internal, "is_authorized", counted)
        of = engine(PERMIT)

        assert all(of.is_usable(ADA, READ, {"uri": f"file:///{n}"}, 0.0) for n in range(50))
        assert len(asked) == 2  # of the scopes alone, and of the policies

    def test_a_prompt_is_shown_by_its_name_whatever_its_arguments(self) -> None:
        free = ' && context.input has arguments && context.input.arguments.json like "*a*"'

        for more in ("", free, " && !(context.input has arguments)"):
            of = engine(self.BY_NAME.format("review", more))
            assert of.could_be_used(ADA, PROMPT, {"name": "review"}, 0.0), more
            assert not of.could_be_used(ADA, PROMPT, {"name": "other"}, 0.0), more

    def test_a_prompt_that_is_forbidden_by_its_name_is_hidden(self) -> None:
        forbid = 'forbid(principal, action, resource) when { context.input.name == "x" };'
        of = engine(PERMIT, forbid)

        assert not of.could_be_used(ADA, PROMPT, {"name": "x"}, 0.0)
        assert of.could_be_used(ADA, PROMPT, {"name": "y"}, 0.0)

    def test_a_condition_on_name_and_time_is_seen_through(self) -> None:
        of = engine(
            self.BY_NAME.format(
                "x", ' && context.system.now < datetime("1970-01-02T00:00:00Z")'
            )
        )  # fmt: skip

        assert [
            of.could_be_used(ADA, PROMPT, {"name": name}, now)
            for name, now in (("x", 0.0), ("x", 200_000.0), ("y", 0.0))
        ] == [True, False, False]

    def test_facts_of_interceptors_are_not_known_in_advance(self) -> None:
        of = engine(
            self.BY_NAME.format("x", ' && context.enriched.geo.country == "DE"').replace(
                "context.enriched.geo.c", "context.enriched.geo has country && context.enriched.geo.c"
            ),
            enrichments={"geo": {"country": "string"}},
        )  # fmt: skip

        assert of.could_be_used(ADA, PROMPT, {"name": "x"}, 0.0)
        assert not of.could_be_used(ADA, PROMPT, {"name": "y"}, 0.0)

    def test_an_error_that_no_argument_can_avoid_hides(self) -> None:
        of = engine(
            PERMIT,
            "forbid(principal, action, resource) "
            "when { context.input.maxTokens * 9223372036854775807 > 0 };",
        )

        assert not of.could_be_used(ADA, SAMPLE, {"maxTokens": 5}, 0.0)
        assert of.could_be_used(ADA, SAMPLE, {"maxTokens": 0}, 0.0)

    def test_numbers_many_open_arguments_and_odd_names_are_seen_through(self) -> None:
        ratio = a_tool("geo", "find", {"properties": {"lat": {"type": "number"}}})
        many = a_tool("geo", "many", {"properties": {n: {"type": "string"} for n in "abcde"}})
        less = 'permit(principal, action, resource) when { context.input has lat && context.input.lat.lessThan(decimal("9.0")) };'
        all_of = " && ".join(f'context.input has {n} && context.input.{n} == "x"' for n in "abcde")
        of_all = engine(f"permit(principal, action, resource) when {{ {all_of} }};")
        odd, by_name = a_principal('a"da'), engine(self.BY_NAME.format("x", ""))

        assert [
            engine(less).could_be_used(ADA, ratio, {"lat": lat}, 0.0) for lat in (8.5, 48.5)
        ] == [True, False]
        assert [of_all.could_be_used(ADA, many, {"a": a}, 0.0) for a in "xy"] == [True, False]
        assert [by_name.could_be_used(odd, PROMPT, {"name": n}, 0.0) for n in "xy"] == [True, False]

    def test_what_policy_cannot_see_exactly_is_hidden(self) -> None:
        of = engine(self.BY_NAME.format("x", ""))

        assert not of.could_be_used(ADA, PROMPT, {"name": 5}, 0.0)
        assert not of.is_usable(ADA, PROMPT, {"name": 5}, 0.0)


def in_a_row(operator: str, count: int) -> str:
    return f" {operator} ".join(f'context.input.customer == "c{n}"' for n in range(count))


def bracketed(operator: str, count: int) -> str:
    terms = [f'context.input.customer == "c{n}"' for n in range(count)]
    return f" {operator} (".join(terms) + ")" * (count - 1)


@pytest.mark.parametrize(
    "condition",
    [in_a_row("||", 60), in_a_row("||", 200), in_a_row("||", 240), bracketed("||", 99)],
    ids=["60", "200", "240", "99 in brackets"],
)
def test_many_terms_in_a_row_decide(condition: str) -> None:
    of = engine(f'@id("p") permit(principal, action, resource) when {{ {condition} }};')
    refused = engine(
        PERMIT, f'@id("f") forbid(principal, action, resource) when {{ {condition} }};'
    )

    assert ask(of, customer="c59", amount=1).is_permitted
    assert not ask(of, customer="c", amount=1).is_permitted
    assert ask(refused, customer="c59", amount=1).policies == ("f",)
    assert ask(refused, customer="c", amount=1).is_permitted


@pytest.mark.parametrize("count", [60, 200, 240])
def test_many_terms_in_a_row_are_shown_explained_and_narrowed(count: int) -> None:
    condition = in_a_row("&&", count).replace("==", "!=")
    of = engine(f'@id("p") permit(principal, action, resource) when {{ {condition} }};')
    arguments: dict[str, Any] = {"customer": f"c{count - 1}", "amount": 1}
    question = Question(principal=ADA, tool=REFUND, arguments=arguments, enriched={}, now=0.0)

    account = of.examine(question)

    assert of.is_listed(ADA, REFUND, 0.0)
    assert of.narrowing(ADA, REFUND, 0.0) is not None
    assert of.could_be_used(ADA, REFUND, {"customer": "c"}, 0.0)
    assert not account.verdict.is_permitted
    assert [c.holds for c in account.policies[0].clauses] == [True] * (count - 1) + [False]
