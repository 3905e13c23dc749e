"""A server that decides: signed messages, and every way in which it can be down, slow or wrong."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.webhook import WebhookSettings
from callgate.model import Json, Outcome, Ran
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.interception import ask_about_message
from callgate.pipeline.list_interception import scrutinised_list
from callgate.pipeline.locating import Route
from callgate.pipeline.pipeline import govern
from fakes.authority import Authority
from fakes.calls import a_call, a_tool
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.http_calls import a_connector, until
from fakes.http_target import Answer, HttpTarget, Seen, Talk, done, modern
from fakes.intercepting import ARGUMENTS, attached, recorded
from fakes.target import FakeCaller, FakeConnector

NOW = FakeClock().now()
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
EXAMPLE = Path(__file__).parents[2] / "examples" / "webhook-interceptor"


@pytest.fixture(scope="module")
def verify() -> Iterator[Callable[..., bool]]:
    """The verification that receivers are shown."""
    spec = spec_from_file_location("verifying_of_the_example", EXAMPLE / "verifying.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.verify
    sys.modules.pop("verifying_of_the_example", None)


def deciding(decide: Callable[[dict[str, Any]], Any]) -> Answer:
    """A webhook that answers each message with a decision."""

    async def answer(seen: Seen, talk: Talk) -> None:
        said = seen.message
        await talk.json({"version": "1", "id": said["id"], "decision": decide(said)})

    return answer


async def governed(
    answer: Answer, *calls: Any, gateway: Any = None, **settings: Any
) -> tuple[list[Outcome], Gateway, HttpTarget]:
    """Outcomes of calls, made at once, with a webhook attached; then the gateway and the server."""
    block = {"secret": SECRET, **settings.pop("webhook", {})}
    settings = {"name": "desk", "on": ["request"], **settings}
    async with HttpTarget(answer) as server, asyncio.timeout(30):
        hook = attached(Path(), webhook={"url": server.url, **block}, **settings)
        made = (gateway or (lambda hook: a_gateway(chain=(hook,))))(hook)
        given = [{"id": f"c{i}", "arguments": ARGUMENTS, **more} for i, more in enumerate(calls)]
        try:
            outcomes = await asyncio.gather(
                *(govern(a_call(**one), made, FakeCaller()) for one in given or [{}])
            )
        finally:
            await hook.interceptor.close()
        return list(outcomes), made, server


def run(answer: Answer, *calls: Any, **settings: Any) -> tuple[list[Outcome], Gateway, HttpTarget]:
    return asyncio.run(governed(answer, *(calls or ({},)), **settings))


def test_a_message_is_signed_as_standard_webhooks_has_it(verify: Callable[..., bool]) -> None:
    (outcome,), _, server = run(deciding(lambda _: None))

    assert outcome.refusal_code is None
    (seen,) = server.seen
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["webhook-id"] == seen.message["id"]
    assert re.fullmatch(r"msg_[0-9a-f]{32}", seen.message["id"])
    assert seen.headers["webhook-timestamp"] == str(int(NOW))
    assert verify(SECRET, seen.headers, seen.body, NOW)
    assert seen.message["arguments"] == ARGUMENTS and seen.message["interceptor"] == "desk"


def test_a_receiver_turns_down_what_is_not_signed_so(verify: Callable[..., bool]) -> None:
    _, _, server = run(deciding(lambda _: None))
    headers, body = server.seen[0].headers, server.seen[0].body

    assert verify(SECRET, headers, body, NOW + 299)
    assert not verify(OTHER, headers, body, NOW)
    assert not verify(SECRET, headers, body + b" ", NOW)
    assert not verify(SECRET, headers, body, NOW + 400)
    assert not verify(SECRET, headers, body, NOW - 400)
    for name, value in (
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", str(int(NOW) + 1)),
        ("webhook-timestamp", "now"),
        ("webhook-signature", ""),
        ("webhook-signature", "v1,AAAA é"),
    ):
        assert not verify(SECRET, {**headers, name: value}, body, NOW)
    assert not verify(SECRET, {}, body, NOW)


def test_while_a_secret_is_replaced_both_verify(verify: Callable[..., bool]) -> None:
    _, _, server = run(deciding(lambda _: None), webhook={"previous_secret": OTHER})
    headers, body = server.seen[0].headers, server.seen[0].body

    assert verify(SECRET, headers, body, NOW) and verify(OTHER, headers, body, NOW)


def test_two_messages_never_have_one_id() -> None:
    _, _, server = run(deciding(lambda _: None), {}, {}, {}, on=["request", "result"])

    assert len({seen.message["id"] for seen in server.seen}) == len(server.seen) == 6


# What it may decide


def test_it_rewrites_arguments_and_results_and_labels_them() -> None:
    def decide(said: Json) -> Json:
        if said["type"] == "request":
            return {"arguments": {**said["arguments"], "amount": 4}, "note": "less"}
        return {"result": {**said["result"], "seen": True}, "labels": ["pii"]}

    connector = FakeConnector()
    (outcome,), gateway, _ = run(
        deciding(decide),
        on=["request", "result"],
        gateway=lambda hook: a_gateway(connector=connector, chain=(hook,)),
    )

    assert json.loads(connector.asked[0].arguments) == {"customer": "c", "amount": 4}
    assert outcome.call.reply is not None and json.loads(outcome.call.reply.body)["seen"] is True
    assert outcome.call.labels == ("pii",)
    said = [(one["phase"], one["action"], one.get("note", "")) for one in recorded(gateway)]
    assert said == [
        ("request", "changed", "less"),
        ("result", "labelled", ""),
        ("result", "changed", ""),
    ]


@pytest.mark.parametrize(
    ("decision", "code", "reason"),
    [
        ({"refuse": "Ask a person."}, "refused_by_interceptor", "Ask a person."),
        ({"approve": "A lead decides."}, "approval_required", "A lead decides."),
        ({"arguments": {"customer": "c", "amount": -1}}, "invalid_arguments", None),
        ({"enrich": {"undeclared": 1}}, "interceptor_failed", None),
        ({"answer": {"content": "text"}}, "interceptor_failed", None),
        ({"answer": {"content": []}}, None, None),
        (None, None, None),
    ],
)
def test_it_refuses_answers_and_asks_for_approval(
    decision: Any, code: str | None, reason: str | None
) -> None:
    (outcome,), _, _ = run(deciding(lambda _: decision))

    assert outcome.refusal_code == code
    assert reason is None or outcome.reason == reason


def test_facts_that_it_adds_are_read_by_policy() -> None:
    policy = (
        '@id("p") permit(principal, action == Callgate::Action::"shop___refund", resource)'
        " when { context.enriched.desk has days && context.enriched.desk.days <= 30 };"
    )
    codes = []
    for days in (3, 60):
        (outcome,), _, _ = run(
            deciding(lambda _, days=days: {"enrich": {"days": days}}),  # type: ignore[misc]
            enriches={"days": "integer"},
            gateway=lambda hook: a_gateway(policies=policy, chain=(hook,)),
        )
        codes.append(outcome.refusal_code)

    assert codes == [None, "not_permitted"]


def test_it_withholds_a_result() -> None:
    (outcome,), _, _ = run(deciding(lambda _: {"withhold": "Not for you."}), on=["result"])

    assert (outcome.refusal_code, outcome.reason) == ("result_withheld", "Not for you.")
    assert outcome.call.ran is Ran.YES


def test_it_shortens_lists_and_changes_or_drops_messages() -> None:
    def decide(said: Json) -> Json:
        if said["type"] == "list":
            return {"items": said["items"][:1]}
        return {"withhold": "no"} if said["params"]["progress"] > 1 else {"params": {"progress": 0}}

    async def scenario() -> tuple[list[Json], list[Json]]:
        async with HttpTarget(deciding(decide)) as server:
            hook = attached(
                Path(), on=["list", "message"], webhook={"url": server.url, "secret": SECRET}
            )
            gateway = a_gateway(chain=(hook,))
            principal = gateway.authenticator.anonymous  # type: ignore[attr-defined]
            call = a_call(method="tools/list", principal=principal)
            items: list[Json] = [{"name": "shop___a"}, {"name": "shop___b"}]
            route = Route(target=None, targets=["shop"])
            _, shown = await scrutinised_list(call, gateway, route, items)
            call = a_call(principal=principal, tool=a_tool())
            told: list[Json] = []
            for progress in (1, 2):
                params = {"progress": progress}
                method = "notifications/progress"
                _, said = await ask_about_message(call, hook, method, params, gateway.clock)
                told.append(said)
            await hook.interceptor.close()
            return shown, told

    assert asyncio.run(scenario()) == ([{"name": "shop___a"}], [{"progress": 0}, None])


def test_headers_that_it_wants_sent_reach_a_target_that_takes_them() -> None:
    async def scenario() -> dict[str, str]:
        async with HttpTarget(modern(done)) as target:
            connector: Any = a_connector(target, pass_headers=["x-tenant"])
            decide = deciding(lambda _: {"headers": {"X-Tenant": "a", "X-Other": "b"}})
            (outcome,), _, _ = await governed(
                decide, {}, gateway=lambda hook: a_gateway(connector=connector, chain=(hook,))
            )
            assert outcome.refusal_code is None, outcome.detail
            await connector.close()
            return next(seen.headers for seen in target.seen if seen.rpc == "tools/call")

    sent = asyncio.run(scenario())

    assert sent["x-tenant"] == "a" and "x-other" not in sent


# Bad input


def answers(body: bytes, status: int = 200, **headers: str) -> Answer:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.respond(status, body, **headers)

    return answer


def says(**answer: Any) -> Answer:
    return answers(json.dumps({"version": "1", **answer}).encode())


async def cut(seen: Seen, talk: Talk) -> None:
    await talk.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"version"')
    await talk.hang_up()


async def hangs(seen: Seen, talk: Talk) -> None:
    await talk.until_peer_hangs_up()


async def trickles(seen: Seen, talk: Talk) -> None:
    await talk.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await talk.until_peer_hangs_up()


BAD: dict[str, Answer] = {
    "500": answers(b'{"version":"1"}', 500),
    "401": answers(b'{"version":"1"}', 401),
    "202": answers(b'{"version":"1"}', 202),
    "204": answers(b"", 204),
    "an empty 200": answers(b""),
    "a redirect": answers(b'{"version":"1"}', 302, Location="/elsewhere"),
    "garbage": answers(b"<html>ok</html>"),
    "not UTF-8": answers(b'{"version":"1","id":"\xff"}'),
    "NaN": answers(b'{"version":"1","decision":{"arguments":{"amount":NaN}}}'),
    "a key twice": answers(b'{"version":"1","decision":{"refuse":"no"},"decision":null}'),
    "huge": answers(b'{"version":"1","x":"' + b"y" * 2000 + b'"}'),
    "a wrong version": answers(b'{"version":"2"}'),
    "another id": says(id="msg_0"),
    "another tool": says(decision={"tool": "shop___order"}),
    "another principal": says(decision={"principal": {"id": "eve"}}),
    "another call": says(decision={"call_id": "c9"}),
    "arguments that are none": says(decision={"arguments": []}),
    "a header in two lines": says(decision={"headers": {"x": "a\r\nb: c"}}),
    "cut off": cut,
    "hanging": hangs,
    "trickling": trickles,
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_answer_refuses_its_call_and_no_other(bad: Answer) -> None:
    """The server is bad for one customer; calls of others go on at the same time."""

    async def answer(seen: Seen, talk: Talk) -> None:
        if seen.message["arguments"]["customer"] == "bad":
            await bad(seen, talk)
        else:
            await talk.json({"version": "1"})

    connector = FakeConnector()
    outcomes, gateway, server = run(
        answer,
        *({"arguments": {"customer": name, "amount": 1}} for name in ("good", "bad", "good")),
        gateway=lambda hook: a_gateway(connector=connector, chain=(hook,)),
        timeout_seconds=1.5 if bad in (hangs, trickles) else 30.0,
        webhook={"max_response_bytes": 1024},
    )

    assert [one.refusal_code for one in outcomes] == [None, "interceptor_failed", None]
    assert "The interceptor desk" in outcomes[1].reason
    assert outcomes[1].call.ran is Ran.NO and len(connector.asked) == 2
    assert {seen.path for seen in server.seen} == {"/mcp"}  # no redirect was followed
    store: Any = gateway.store
    bad_entry = [entry for entry in store.entries if b"interceptor_failed" in entry.body]
    (change,) = json.loads(bad_entry[-1].body)["changes"]
    assert (change["interceptor"], change["action"]) == ("desk", "failed")


def test_a_server_that_is_down_refuses() -> None:
    block = {"url": "http://127.0.0.1:1/", "secret": SECRET}

    async def scenario(**settings: Any) -> Outcome:
        hook = attached(Path(), name="desk", webhook=block, **settings)
        outcome = await govern(a_call(arguments=ARGUMENTS), a_gateway(chain=(hook,)), FakeCaller())
        await hook.interceptor.close()
        return outcome

    assert asyncio.run(scenario()).refusal_code == "interceptor_failed"
    assert asyncio.run(scenario(on_failure="allow")).refusal_code is None


def test_many_calls_are_asked_at_once_over_kept_connections() -> None:
    meeting: list[asyncio.Event] = []

    async def together(seen: Seen, talk: Talk) -> None:
        meeting.append(asyncio.Event())
        if len(meeting) >= 20:
            for event in meeting:
                event.set()
        await meeting[-1].wait()
        await talk.json({"version": "1", "decision": {"note": seen.message["call_id"]}})

    outcomes, _, server = run(together, *[{}] * 40)

    assert [one.refusal_code for one in outcomes] == [None] * 40
    assert [one.call.id for one in outcomes] == [f"c{i}" for i in range(40)]
    assert 20 <= server.connections <= 40


def test_a_large_message_and_a_large_answer_arrive_whole() -> None:
    text = "x" * 300_000
    (outcome,), _, _ = run(
        deciding(lambda said: {"arguments": {**said["arguments"], "note": text + "!"}}),
        {"arguments": {**ARGUMENTS, "note": text}},
    )

    assert outcome.call.arguments["note"] == text + "!"


def test_mutual_tls_proves_the_gateway_to_the_server(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("gateway", is_client=True)
    trust = {"authority": authority.file}

    async def scenario() -> list[str | None]:
        codes = []
        context = authority.server(asks_clients=True)
        async with HttpTarget(deciding(lambda _: None), tls=context) as server:
            for identity in ({}, {"certificate": certificate, "key": key}):
                block = {"url": server.url, "secret": SECRET, **trust, **identity}
                hook = attached(Path(), webhook=block)
                call = a_call(arguments=ARGUMENTS)
                outcome = await govern(call, a_gateway(chain=(hook,)), FakeCaller())
                codes.append(outcome.refusal_code)
                await hook.interceptor.close()
            await until(lambda: not server._tasks)  # the server has seen that all have hung up
        return codes

    assert asyncio.run(scenario()) == ["interceptor_failed", None]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "http://hooks.example/"}, "must be https"),
        ({"secret": "s3cret-s3cret-s3cret-s3cret-s3cret"}, "whsec_"),
        ({"secret": "whsec_not base64!"}, "whsec_"),
        ({"secret": "whsec_" + base64.b64encode(b"short").decode()}, "24 to 64 bytes"),
        ({"previous_secret": "x"}, "whsec_"),
        ({"certificate": "a.pem"}, "go together"),
        ({"key": "a.pem"}, "go together"),
        ({"url": "http://localhost/", "certificate": "a", "key": "b"}, "needs an https"),
        ({"max_response_bytes": 10}, "greater than"),
        ({"omit": ["principal"]}, "claims"),
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        WebhookSettings.model_validate({"url": "https://x.example/", "secret": SECRET, **settings})
    assert SECRET not in str(raised.value)


def test_the_documentation_shows_how_the_example_verifies() -> None:
    body = (EXAMPLE / "verifying.py").read_text("utf-8").partition('"""\n\n')[2]
    shown = (EXAMPLE.parents[1] / "docs" / "interceptors.md").read_text("utf-8")

    assert body.startswith("import base64")
    assert f"```python\n{body}```" in shown
