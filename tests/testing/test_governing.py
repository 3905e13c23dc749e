"""Calls in a test go through the real call path."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate import Decision, Request, Result
from callgate.app.parts import PartError
from callgate.config import ConfigError
from callgate.policy.source import PolicyError
from callgate.scrutiny import Passive
from callgate.testing import StillClock, a_principal, attach, governed


def refund(customer: str, amount: int) -> dict[str, int]:
    return {"refunded": amount}


TOOLS: dict[str, Any] = {"shop___refund": refund}
GOOD = {"customer": "c", "amount": 5}


def halve(request: Request) -> Decision:
    amount = request.arguments["amount"] // 2
    return Decision(arguments={**request.arguments, "amount": amount}, note="halved")


def test_without_anything_a_call_goes_through() -> None:
    with governed(tools=TOOLS) as gate:
        seen = gate.call("shop___refund", GOOD)

    assert (seen.code, seen.ran, seen.sent) == ("ok", "yes", GOOD)
    assert seen.result is not None and seen.result["structuredContent"] == {"refunded": 5}
    assert seen.text == '{"refunded":5}'
    assert seen.record["principal"]["id"] == "ada"
    assert "c" in seen.explained


def test_a_rewrite_is_sent_validated_and_recorded() -> None:
    with governed(interceptors=[halve], tools=TOOLS) as gate:
        seen = gate.call("shop___refund", {**GOOD, "amount": 9})

    assert seen.sent == {"customer": "c", "amount": 4}
    (change,) = seen.changes
    assert (change["interceptor"], change["action"], change["note"]) == (
        "halve",
        "changed",
        "halved",
    )
    assert change["patch"] == [{"op": "replace", "path": "/amount", "value": 4}]


def test_a_rewrite_that_does_not_fit_the_tool_is_refused() -> None:
    def spoil(_: Request) -> Decision:
        return Decision(arguments={"customer": 5})

    with governed(interceptors=[spoil], tools=TOOLS) as gate:
        seen = gate.call("shop___refund", GOOD)

    assert (seen.code, seen.sent, seen.ran) == ("invalid_arguments", None, "no")


def test_facts_and_policy_work_together() -> None:
    async def look_up(request: Request) -> Decision:
        return Decision(enrich={"score": 90 if request.arguments["customer"] == "c" else 10})

    risk = attach(look_up, name="risk", enriches={"score": "integer"})
    policies = """
        @id("risky") @reason("Too risky.")
        forbid (principal, action, resource)
        when { context.enriched.risk.score > 50 };
        @id("all") permit (principal, action, resource);
    """.replace("context.enriched.risk.score", "context.enriched.risk has score && "
                "context.enriched.risk.score")  # fmt: skip
    with governed(interceptors=[risk], policies=policies, tools=TOOLS) as gate:
        risky = gate.call("shop___refund", GOOD)
        fine = gate.call("shop___refund", {**GOOD, "customer": "d"})

    assert (risky.code, fine.code) == ("not_permitted", "ok")
    assert "Too risky." in risky.reason
    assert fine.facts == {"risk": {"score": 10}}


def test_results_are_filtered_and_withheld() -> None:
    def look(result: Result) -> Decision | None:
        text = result.result["content"][0]["text"]
        if "secret" in text:
            return Decision(withhold="It holds a secret.", labels=("secret",))
        return Decision(result={"content": [{"type": "text", "text": text.upper()}]})

    answers: dict[str, Any] = {"shop___a": "hello", "shop___b": "a secret"}
    with governed(interceptors=[attach(look, "result")], tools=answers) as gate:
        first, second = gate.call("shop___a"), gate.call("shop___b")

    assert (first.code, first.text) == ("ok", "HELLO")
    assert (second.code, second.ran, second.result) == ("result_withheld", "yes", None)
    assert second.text == "It holds a secret."


def test_settings_hold_as_in_the_configuration() -> None:
    asked: list[str] = []

    def fail(request: Request) -> None:
        asked.append(request.headers.get("x-team", "-"))
        raise RuntimeError

    hooks = [
        attach(fail, name="lenient", on_failure="allow", headers={"x-team"}),
        attach(fail, name="watching", mode="observe"),
        attach(fail, name="elsewhere", tools={"desk___pay"}),
        attach(fail, name="others", when='principal == Callgate::OAuthUser::"eve"'),
    ]
    with governed(interceptors=hooks, tools={**TOOLS, "desk___pay": "paid"}) as gate:
        seen = gate.call("shop___refund", GOOD, headers={"X-Team": "blue", "Cookie": "c"})

    assert seen.code == "ok"
    assert asked == ["blue", "-"]
    assert [change["interceptor"] for change in seen.changes] == ["lenient", "watching"]


def test_an_interceptor_may_be_an_object_or_settings() -> None:
    class Marks(Passive):
        async def on_request(self, request: Request) -> Decision:
            return Decision(labels=(request.run or "no run",))

    settings = {"name": "seen", "python": "math:floor"}  # no Decision: it is asked for real
    with governed(interceptors=[attach(Marks(), name="marks"), settings], tools=TOOLS) as gate:
        seen = gate.call("shop___refund", GOOD, session="s1")

    assert seen.labels == ("s1",)
    assert (seen.code, seen.changes[-1]["interceptor"]) == ("interceptor_failed", "seen")


def test_who_calls_and_when_is_the_tests_to_say() -> None:
    policies = """
        @id("leads") permit (principal in Callgate::Group::"leads", action, resource)
        when { context.system.now < datetime("2026-10-01T13:00:00Z") };
    """
    clock = StillClock("2026-10-01T12:00:00Z")
    lead = a_principal("lea", "leads")
    with governed(policies=policies, tools=TOOLS, principal=lead, clock=clock) as gate:
        codes = [gate.call("shop___refund", GOOD).code]
        codes += [gate.call("shop___refund", GOOD, principal="eve").code]
        clock.advance(7200)
        codes += [gate.call("shop___refund", GOOD).code]

    assert codes == ["ok", "not_permitted", "not_permitted"]


def test_what_is_tested_can_be_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "hooks_governed.py").write_text(
        "from callgate import Decision\n"
        "def cap(request):\n"
        "    return Decision(arguments={**request.arguments, 'amount': 1})\n"
    )
    (tmp_path / "shop_governed.py").write_text(
        "def refund(amount: int) -> int:\n    return amount\n"
    )
    (tmp_path / "p.cedar").write_text('@id("p") permit (principal, action, resource);')
    file = tmp_path / "callgate.yaml"
    file.write_text(
        "policies: {files: [p.cedar]}\n"
        "targets: {shop: {python: shop_governed}, far: {url: 'https://far.example/mcp'}}\n"
        "interceptors: [{name: cap, python: 'hooks_governed:cap'}]\n"
        "store: {mask: [amount]}\n"
    )

    with governed(file) as gate:
        own = gate.call("shop___refund", {"amount": 9})
        with pytest.raises(
            LookupError, match=r"far does not run in tests; .*tools=\{'far___x': …\}"
        ):
            gate.call("far___x")
    with governed(file, tools={"far___x": "answer", "shop___refund": "ready"}) as gate:
        far, ready = gate.call("far___x"), gate.call("shop___refund", {"amount": 9})

    assert (own.text, own.record["arguments"]) == ("1", {"amount": "***"})
    assert (far.text, ready.text, ready.sent) == ("answer", "ready", {"amount": 1})


def test_in_a_coroutine_it_is_awaited() -> None:
    async def scene() -> list[str]:
        async with governed(tools=TOOLS) as gate:
            ended = await asyncio.gather(*(gate.acall("shop___refund", GOOD) for _ in range(3)))
            with pytest.raises(RuntimeError, match="acall"):
                gate.call("shop___refund", GOOD)
            return [one.code for one in ended]

    assert asyncio.run(scene()) == ["ok"] * 3


def test_outside_of_a_with_block_there_is_no_gateway() -> None:
    with pytest.raises(RuntimeError, match="with governed"):
        governed(tools=TOOLS).call("shop___refund", GOOD)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"policies": "permit (principal"}, PolicyError, "policies"),
        ({"interceptors": [{"name": "a", "python": "nowhere_at_all:x"}]}, PartError, "nowhere_at"),
        ({"interceptors": [halve, halve]}, ValueError, "two interceptors have one name"),
        ({"interceptors": [attach(halve, tools={"shop___other"})]}, LookupError, "shop___refund"),
        ({"interceptors": [attach(halve, when="1 +")]}, PartError, "halve"),
        ({"tools": {"refund": "x"}}, ValueError, "<target>___<tool>"),
        ({"config": "nowhere.yaml"}, ConfigError, "cannot be read"),
    ],
)
def test_what_cannot_work_is_said_before_any_call(
    settings: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words), governed(**{"tools": TOOLS, **settings}):
        pytest.fail("it began")


def test_a_setting_that_is_none_is_said_at_once() -> None:
    with pytest.raises(ValidationError, match="timeout"):
        attach(halve, timeout=5)


def test_tools_are_those_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    file.write_text("targets: {shop: {python: x}}\n")

    with pytest.raises(ValueError, match="desk is no target of"):
        governed(file, tools={"desk___pay": "x"})
