"""Lambda-style handlers through the running call path, here and elsewhere, good and bad."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from callgate.model import Call, Json, Outcome, Ran, Reply
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.list_interception import scrutinised_list
from callgate.pipeline.locating import Route
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, TargetRequest
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision, Passive, Request
from fakes import functions
from fakes.calls import a_call, a_tool
from fakes.gateway import a_gateway
from fakes.http_calls import a_connector
from fakes.http_target import HttpTarget, Seen, Talk, done, modern
from fakes.intercepting import ARGUMENTS, attached, recorded
from fakes.intercepting import a_request as a_view
from fakes.intercepting import a_result as a_result_view
from fakes.invoking import ACCESS_KEY, REGION, SECRET_KEY, FakeLambda
from fakes.target import FakeCaller, FakeConnector

FUNCTIONS = Path(functions.__file__).parent
ANYWHERE = pytest.mark.parametrize("place", ["here", "elsewhere"])
TEXT = {"type": "object", "properties": {"query": {"type": "string"}}}


def token(**claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{payload}.sig"


def answering(result: dict[str, Any]) -> FakeConnector:
    async def answer(_: TargetRequest, __: Caller) -> Reply:
        return Reply(body=json.dumps(result).encode())

    return FakeConnector(answer=answer)


def the_function(name: str, *phases: str, **settings: Any) -> Attachment:
    """One of fakes/functions, attached."""
    settings = {"on": phases or ("request",), **settings}
    block = {"handler": f"{name}.py:lambda_handler", "pass_request_headers": True}
    return attached(
        FUNCTIONS, headers=["authorization", "x-tenant"], **{"lambda": block}, **settings
    )


def run(gateway: Gateway, **more: Any) -> Outcome:
    settings: dict[str, Any] = {"arguments": ARGUMENTS, **more}

    async def whole() -> Outcome:
        async with asyncio.timeout(30):
            try:
                return await govern(a_call(**settings), gateway, FakeCaller())
            finally:
                await gateway.chain.close()

    return asyncio.run(whole())


def with_functions(
    place: str, text: str, directory: Path, check: Callable[[Attachment], Any]
) -> Any:
    """Runs a check with the handler in `text` attached: run here, or behind an Invoke endpoint."""
    return asyncio.run(_with_functions(place, text, directory, check))


async def _with_functions(
    place: str, text: str, directory: Path, check: Callable[[Attachment], Any], **settings: Any
) -> Any:
    (directory / "guard.py").write_text(text)
    settings = {"name": "guard", "on": ["request", "result", "list"], **settings}
    if place == "here":
        attachment = attached(directory, **{"lambda": "guard.py:lambda_handler"}, **settings)
        try:
            return await check(attachment)
        finally:
            await attachment.interceptor.close()
    names: dict[str, Any] = {}
    exec(compile(text, "guard.py", "exec"), names)
    async with FakeLambda({"guard": names["lambda_handler"]}).server() as server:
        block = {
            "function": "guard",
            "endpoint": server.url.removesuffix("/mcp"),
            "region": REGION,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        }
        attachment = attached(directory, **{"lambda": block}, **settings)
        try:
            return await check(attachment)
        finally:
            await attachment.interceptor.close()


def governed(gateway_of: Callable[[Attachment], Gateway], **more: Any) -> Any:
    async def check(attachment: Attachment) -> tuple[Outcome, Gateway]:
        gateway = gateway_of(attachment)
        call = a_call(arguments=ARGUMENTS, **more)
        return await govern(call, gateway, FakeCaller()), gateway

    return check


HEAD = "def lambda_handler(event, context):\n    mcp = event['mcp']\n"
OUT = "    return {'interceptorOutputVersion': '1.0', 'mcp': out}\n"
REWRITE = (
    HEAD
    + "    body = mcp['gatewayRequest']['body']\n"
    + "    if 'gatewayResponse' in mcp:\n"
    + "        answer = mcp['gatewayResponse']['body']\n"
    + "        answer['result']['content'].append({'type': 'text', 'text': 'seen'})\n"
    + "        out = {'transformedGatewayResponse': {'statusCode': 200, 'body': answer}}\n"
    + "    else:\n"
    + "        body['params']['arguments']['amount'] = 4\n"
    + "        out = {'transformedGatewayRequest': {'body': body}}\n"
    + OUT
)


@ANYWHERE
def test_a_function_rewrites_arguments_and_results(place: str, tmp_path: Path) -> None:
    connector = FakeConnector()
    check = governed(lambda guard: a_gateway(connector=connector, chain=(guard,)))

    outcome, gateway = with_functions(place, REWRITE, tmp_path, check)

    assert outcome.refusal_code is None
    assert json.loads(connector.asked[0].arguments) == {"customer": "c", "amount": 4}
    content = json.loads(outcome.call.reply.body)["content"]
    assert [part["text"] for part in content] == ["done", "seen"]
    assert [(one["phase"], one["action"], one["paths"]) for one in recorded(gateway)] == [
        ("request", "changed", ["/amount"]),
        ("result", "changed", ["/content"]),
    ]


@ANYWHERE
def test_what_a_function_answers_at_once_is_shown_to_it_as_a_response(
    place: str, tmp_path: Path
) -> None:
    text = REWRITE.replace(
        "        body['params']['arguments']['amount'] = 4\n"
        "        out = {'transformedGatewayRequest': {'body': body}}\n",
        "        result = {'content': [{'type': 'text', 'text': 'cached'}]}\n"
        "        answer = {'jsonrpc': '2.0', 'id': body['id'], 'result': result}\n"
        "        out = {'transformedGatewayResponse': {'statusCode': 200, 'body': answer},\n"
        "               'transformedGatewayRequest': {'body': body}}\n",
    )
    connector = FakeConnector()
    check = governed(lambda guard: a_gateway(connector=connector, chain=(guard,)))

    outcome, gateway = with_functions(place, text, tmp_path, check)

    content = json.loads(outcome.call.reply.body)["content"]
    assert [part["text"] for part in content] == ["cached", "seen"]
    assert (outcome.call.ran, connector.asked) == (Ran.NO, [])
    assert [one["action"] for one in recorded(gateway)] == ["answered", "changed"]


BAD = {
    "raises": "    raise ValueError('broken')\n",
    "junk": "    return [1, 2]\n",
    "nothing": "    return None\n",
    "a wrong version": "    return {'interceptorOutputVersion': '2.0', 'mcp': {}}\n",
    "oversized": "    out = {'transformedGatewayRequest': {'body': 'x' * (7 << 20)}}\n" + OUT,
    "not JSON": "    return {'interceptorOutputVersion': '1.0', 'mcp': {'x': float('nan')}}\n",
    "another id": "    body['id'] = 2\n    out = {'transformedGatewayRequest': {'body': body}}\n"
    + OUT,
    "another tool": (
        "    body['params']['name'] = 'shop___order'\n"
        "    out = {'transformedGatewayRequest': {'body': body}}\n" + OUT
    ),
    "another method": (
        "    body['method'] = 'tools/list'\n"
        "    out = {'transformedGatewayRequest': {'body': body}}\n" + OUT
    ),
    "another caller": (
        "    body['params']['_meta'] = {'principal': 'eve'}\n"
        "    out = {'transformedGatewayRequest': {'body': body}}\n" + OUT
    ),
    "a broken answer": (
        "    answer = {'jsonrpc': '2.0', 'id': body['id'], 'result': {'content': 'text'}}\n"
        "    out = {'transformedGatewayResponse': {'statusCode': 200, 'body': answer}}\n" + OUT
    ),
    "a header in two lines": (
        "    out = {'transformedGatewayRequest': {'headers': {'x': 'a\\r\\nb: c'}}}\n" + OUT
    ),
}


class Neighbour(Passive):
    """Asked about the same calls."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def on_request(self, request: Request) -> Decision | None:
        self.asked.append(request.call_id)
        return None


@ANYWHERE
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_function_refuses_its_calls_and_no_others(
    place: str, bad: str, tmp_path: Path
) -> None:
    """It is bad for one customer only, and calls of others are made at the same time."""
    text = (
        HEAD
        + "    body = mcp['gatewayRequest']['body']\n"
        + "    if body['params']['arguments']['customer'] != 'bad':\n"
        + "        return {'interceptorOutputVersion': '1.0', 'mcp': {}}\n"
        + bad
    )
    connector, neighbour = FakeConnector(), Neighbour()

    async def check(guard: Attachment) -> tuple[list[Outcome], Gateway]:
        beside = Attachment(name="n", interceptor=neighbour, phases=frozenset({"request"}))
        gateway = a_gateway(connector=connector, chain=(beside, guard))
        calls = [
            a_call(id=f"c{i}", arguments={"customer": name, "amount": 1})
            for i, name in enumerate(("good", "bad", "good"))
        ]
        outcomes = await asyncio.gather(*(govern(c, gateway, FakeCaller()) for c in calls))
        last = await govern(
            a_call(id="c3", arguments={"customer": "bad", "amount": 1}), gateway, FakeCaller()
        )
        return [*outcomes, last], gateway

    async def scenario() -> tuple[list[Outcome], Gateway]:
        found: tuple[list[Outcome], Gateway] = await _with_functions(
            place, text, tmp_path, check, on=["request"]
        )
        return found

    outcomes, gateway = asyncio.run(scenario())

    codes = [outcome.refusal_code for outcome in outcomes]
    assert codes == [None, "interceptor_failed", None, "interceptor_failed"]
    assert "The interceptor guard failed" in outcomes[1].reason
    assert outcomes[1].call.ran is Ran.NO and len(connector.asked) == 2
    assert neighbour.asked == ["c0", "c1", "c2", "c3"]
    (change,) = recorded(gateway)
    assert (change["interceptor"], change["action"]) == ("guard", "failed")


def test_a_function_that_hangs_holds_only_its_own_call(tmp_path: Path) -> None:
    released = threading.Event()
    waiting: Any = type(threading)("callgate_test_waiting")
    waiting.point = released
    text = (
        "import sys\n" + HEAD + "    if mcp['gatewayRequest']['body']['params']['arguments']"
        "['customer'] == 'bad':\n"
        "        sys.modules['callgate_test_waiting'].point.wait()\n"
        "    return {'interceptorOutputVersion': '1.0', 'mcp': {}}\n"
    )

    async def check(guard: Attachment) -> list[Outcome]:
        gateway = a_gateway(chain=(guard,))
        calls = [
            a_call(id=f"c{i}", arguments={"customer": name, "amount": 1})
            for i, name in enumerate(("bad", "good", "bad", "good", "good"))
        ]
        return await asyncio.gather(*(govern(call, gateway, FakeCaller()) for call in calls))

    sys.modules["callgate_test_waiting"] = waiting
    try:
        outcomes = asyncio.run(
            _with_functions("here", text, tmp_path, check, on=["request"], timeout_seconds=1.0)
        )
    finally:
        released.set()
        del sys.modules["callgate_test_waiting"]

    assert [one.refusal_code for one in outcomes] == [
        "interceptor_failed",
        None,
        "interceptor_failed",
        None,
        None,
    ]
    assert "took too long" in outcomes[0].reason


def test_an_endpoint_that_hangs_holds_only_its_own_call(tmp_path: Path) -> None:
    async def answer(seen: Seen, talk: Talk) -> None:
        if b'"bad"' in seen.body:
            await talk.until_peer_hangs_up()
        else:
            await talk.json({"interceptorOutputVersion": "1.0", "mcp": {}})

    async def scenario() -> list[Outcome]:
        async with FakeLambda(answer=answer).server() as server:
            block = {
                "function": "guard",
                "endpoint": server.url.removesuffix("/mcp"),
                "region": REGION,
                "access_key_id": ACCESS_KEY,
                "secret_access_key": SECRET_KEY,
            }
            guard = attached(tmp_path, on=["request"], timeout_seconds=1.0, **{"lambda": block})
            gateway = a_gateway(chain=(guard,))
            calls = [
                a_call(id=f"c{i}", arguments={"customer": name, "amount": 1})
                for i, name in enumerate(("bad", "good", "bad", "good"))
            ]
            outcomes = await asyncio.gather(*(govern(c, gateway, FakeCaller()) for c in calls))
            await guard.interceptor.close()
            return list(outcomes)

    outcomes = asyncio.run(scenario())

    codes = [one.refusal_code for one in outcomes]
    assert codes == ["interceptor_failed", None, "interceptor_failed", None]
    assert "took too long" in outcomes[0].reason


@ANYWHERE
def test_a_bad_answer_to_a_result_withholds_it(place: str, tmp_path: Path) -> None:
    text = HEAD + "    return {'interceptorOutputVersion': '3.0'}\n"

    async def scenario() -> tuple[Outcome, Gateway]:
        check = governed(lambda guard: a_gateway(chain=(guard,)))
        found: tuple[Outcome, Gateway] = await _with_functions(
            place, text, tmp_path, check, on=["result"]
        )
        return found

    outcome, _ = asyncio.run(scenario())

    assert (outcome.refusal_code, outcome.call.ran) == ("interceptor_failed", Ran.YES)
    assert outcome.reason == "The interceptor guard failed, so the result is withheld."


def test_an_event_that_is_too_large_is_not_sent(tmp_path: Path) -> None:
    check = governed(
        lambda guard: a_gateway(
            connector=answering({"content": [], "x": "y" * (7 << 20)}), chain=(guard,)
        )
    )

    outcome, _ = with_functions("here", REWRITE, tmp_path, check)

    assert outcome.refusal_code == "interceptor_failed"
    assert "the event has" in outcome.detail


@ANYWHERE
def test_both_points_of_a_call_have_the_same_client_context(place: str, tmp_path: Path) -> None:
    text = (
        HEAD
        + "    custom = dict(context.client_context.custom)\n"
        + "    if 'gatewayResponse' in mcp:\n"
        + "        answer = mcp['gatewayResponse']['body']\n"
        + "        answer['result']['response'] = custom\n"
        + "        out = {'transformedGatewayResponse': {'body': answer}}\n"
        + "    else:\n"
        + "        body = mcp['gatewayRequest']['body']\n"
        + "        body['params']['arguments']['note'] = str(sorted(custom.items()))\n"
        + "        out = {'transformedGatewayRequest': {'body': body}}\n"
        + OUT
    )
    check = governed(lambda guard: a_gateway(chain=(guard,)), id="c77")

    outcome, _ = with_functions(place, text, tmp_path, check)

    custom = json.loads(outcome.call.reply.body)["response"]
    assert custom == {
        "GATEWAY_ARN": "arn:aws:bedrock-agentcore:local:000000000000:gateway/callgate",
        "GATEWAY_ACCOUNT_ID": "000000000000",
        "REQUEST_ID": "c77",
    }
    assert outcome.call.arguments["note"] == str(sorted(custom.items()))


def test_headers_reach_a_function_only_where_both_settings_let_them(tmp_path: Path) -> None:
    text = HEAD + "    raise RuntimeError(str(mcp['gatewayRequest']['headers']))\n"
    (tmp_path / "guard.py").write_text(text)
    found = []
    for passes in (False, True):
        block = {"handler": "guard.py:lambda_handler", "pass_request_headers": passes}
        guard = attached(tmp_path, headers=["X-Tenant"], **{"lambda": block})
        headers = {"x-tenant": "a", "authorization": "Bearer t"}
        found.append(run(a_gateway(chain=(guard,)), headers=headers).detail)

    assert [detail.partition(": ")[2] for detail in found] == ["{}", "{'x-tenant': 'a'}"]


# What a target asks of the agent's client


@pytest.mark.parametrize(
    ("points", "asked"),
    [
        (["request"], [False, True]),
        (["result"], [True, False]),
        (["request", "result"], [True, True]),
        (["request", "error"], [True, True]),
    ],
)
def test_what_a_target_asks_is_shown_at_the_points_that_agentcore_has_for_it(
    points: list[str], asked: list[bool], tmp_path: Path
) -> None:
    """As a RESPONSE what is asked, and as a REQUEST what the client answers."""
    (tmp_path / "guard.py").write_text(HEAD + "    raise RuntimeError('asked')\n")
    guard = attached(tmp_path, on=points, **{"lambda": "guard.py:lambda_handler"}).interceptor
    tool = method_tool("shop", "elicitation/create")

    async def scenario() -> list[bool]:
        found = []
        for question in (
            guard.on_request(a_view(tool, arguments={"message": "?"})),
            guard.on_result(a_result_view({"action": "accept"}, tool)),
        ):
            try:
                found.append(await question is not None)
            except RuntimeError:
                found.append(True)
        await guard.close()
        return found

    assert asyncio.run(scenario()) == asked


# The functions of AWS's samples


def test_scopes_decide_over_calls(tmp_path: Path) -> None:
    """Scenario 21, REQUEST."""
    cases = {
        "shop": None,
        "shop:refund": None,
        "other shop:refund": None,
        "shop:order": "refused_by_interceptor",
        "shopping": "refused_by_interceptor",
        "": "refused_by_interceptor",
    }
    for scope, code in cases.items():
        connector = FakeConnector()
        gateway = a_gateway(connector=connector, chain=(the_function("scopes"),))
        outcome = run(gateway, headers={"authorization": token(scope=scope)})

        assert (outcome.refusal_code, len(connector.asked)) == (code, 0 if code else 1)
        if code:
            assert outcome.reason == "Insufficient permission: shop___refund"


def test_scopes_hold_on_a_targets_own_route_too() -> None:
    connector = FakeConnector()
    gateway = a_gateway(connector=connector, chain=(the_function("scopes"),))

    outcome = run(
        gateway,
        route="shop",
        requested_name="refund",
        headers={"authorization": token(scope="shop:order")},
    )

    assert (outcome.refusal_code, connector.asked) == ("refused_by_interceptor", [])


def test_a_call_without_a_token_fails_closed() -> None:
    outcome = run(a_gateway(chain=(the_function("scopes"),)))

    assert outcome.refusal_code == "interceptor_failed"


@pytest.mark.parametrize("route", [None, "shop"])
def test_scopes_decide_over_lists(route: str | None) -> None:
    """Scenario 21, RESPONSE: one call of the function with the whole list."""
    names = ["refund", "order"] if route else ["shop___refund", "shop___order", "bank___pay"]
    gateway = a_gateway(chain=(the_function("scopes", "request", "list"),))
    call = a_call(
        method="tools/list",
        principal=gateway.authenticator.anonymous,  # type: ignore[attr-defined]
        headers={"authorization": token(scope="shop:order bank")},
    )

    async def scenario() -> tuple[Call, list[Json]]:
        items: list[Json] = [{"name": name} for name in names]
        found = await scrutinised_list(call, gateway, Route(target=route, targets=["shop"]), items)
        await gateway.chain.close()
        return found

    call, items = asyncio.run(scenario())

    kept = ["order"] if route else ["shop___order", "bank___pay"]
    assert [item["name"] for item in items] == kept
    assert [(change.phase, change.note) for change in call.changes] == [("list", "1 not shown")]


def test_permissions_of_a_data_store_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario 22."""
    store = tmp_path / "permissions.json"
    store.write_text(json.dumps({"desk": ["shop:refund"], "guest": ["shop:order"]}))
    monkeypatch.setenv("PERMISSIONS_FILE", str(store))

    codes = [
        run(
            a_gateway(chain=(the_function("scopes"),)),
            headers={"authorization": token(client_id=client, scope="shop")},
        ).refusal_code
        for client in ("desk", "guest", "nobody")
    ]

    assert codes == [None, "refused_by_interceptor", "refused_by_interceptor"]


@pytest.mark.parametrize(
    ("query", "is_refused"),
    [
        ("SELECT name FROM customers WHERE id = 7", False),
        ("select 1; DROP TABLE customers", True),
        ("x' UNION ALL SELECT password FROM users", True),
        ("' OR '1'='1", True),
    ],
)
def test_sql_injection_is_detected(query: str, is_refused: bool) -> None:
    """Scenario 24: one that passes and three that are blocked."""
    connector = FakeConnector()
    gateway = a_gateway(
        tools=(a_tool(schema=TEXT),), connector=connector, chain=(the_function("sql_injection"),)
    )

    outcome = run(gateway, arguments={"query": query})

    if is_refused:
        assert outcome.refusal_code == "refused_by_interceptor"
        assert outcome.reason == "SQL_INJECTION_DETECTED: the request was blocked"
    assert len(connector.asked) == (0 if is_refused else 1)


@pytest.mark.parametrize("is_error", [False, True])
def test_results_and_errors_are_masked(is_error: bool) -> None:
    """Scenario 25."""
    text = "Write to ada@example.com or call +49 30 1234567."
    masked = "Write to {EMAIL} or call {PHONE}."

    async def answer(_: TargetRequest, __: Caller) -> Reply:
        if is_error:
            return Reply(body=json.dumps({"code": -1, "message": text}).encode(), is_error=True)
        return Reply(body=json.dumps({"content": [{"type": "text", "text": text}]}).encode())

    gateway = a_gateway(
        connector=FakeConnector(answer=answer), chain=(the_function("masking", "result"),)
    )

    outcome = run(gateway)

    assert outcome.call.reply is not None and outcome.call.reply.is_error is is_error
    body = json.loads(outcome.call.reply.body)
    assert (body["message"] if is_error else body["content"][0]["text"]) == masked


def through_http(
    chain: Attachment, headers: dict[str, str], pass_headers: list[str]
) -> dict[str, str]:
    """The headers that a target gets with a call."""

    async def scenario() -> dict[str, str]:
        async with HttpTarget(modern(done)) as target:
            connector = a_connector(target, pass_headers=pass_headers)
            gateway = a_gateway(connector=connector, chain=(chain,))  # type: ignore[arg-type]
            outcome = await govern(
                a_call(arguments=ARGUMENTS, headers=headers), gateway, FakeCaller()
            )
            assert outcome.refusal_code is None, outcome.detail
            await connector.close()
            await chain.interceptor.close()
            return next(seen for seen in target.seen if seen.rpc == "tools/call").headers

    return asyncio.run(scenario())


def test_a_function_sets_headers_where_the_target_takes_them() -> None:
    """Scenario 26: what the function says wins over what the client said."""
    client = {"x-tenant": "tenant-of-the-client", "authorization": "Bearer theirs"}

    sent = through_http(the_function("headers"), client, ["x-tenant"])

    assert sent["x-tenant"] == "tenant-of-the-interceptor"
    assert "authorization" not in sent and "x-gateway" not in sent


def test_a_function_passes_the_clients_token_on() -> None:
    """Scenario 27."""
    client = {"authorization": "Bearer theirs"}

    sent = through_http(the_function("headers"), client, ["authorization", "x-gateway"])

    assert (sent["authorization"], sent["x-gateway"]) == ("Bearer theirs", "000000000000")
    assert "x-tenant" not in sent


def test_a_function_exchanges_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenario 23: the target never sees the inbound token."""

    async def exchange(seen: Seen, talk: Talk) -> None:
        form = parse_qs(seen.body.decode())
        assert form["subject_token"] == ["theirs"]
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:token-exchange"]
        await talk.json({"access_token": "exchanged", "token_type": "Bearer"})

    async def scenario() -> dict[str, str]:
        async with HttpTarget(exchange) as issuer:
            monkeypatch.setenv("TOKEN_URL", issuer.url)
            chain = the_function("token_exchange")
            async with HttpTarget(modern(done)) as target:
                connector = a_connector(target, pass_headers=["authorization"])
                gateway = a_gateway(connector=connector, chain=(chain,))  # type: ignore[arg-type]
                headers = {"authorization": "Bearer theirs"}
                call = a_call(arguments=ARGUMENTS, headers=headers)
                outcome = await govern(call, gateway, FakeCaller())
                assert outcome.refusal_code is None, outcome.detail
                await connector.close()
                await chain.interceptor.close()
                assert not [seen for seen in target.seen if "theirs" in str(seen)]
                return next(seen for seen in target.seen if seen.rpc == "tools/call").headers

    assert asyncio.run(scenario())["authorization"] == "Bearer exchanged"


def test_an_exchange_that_fails_refuses_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_URL", "http://127.0.0.1:1/")
    connector = FakeConnector()
    gateway = a_gateway(connector=connector, chain=(the_function("token_exchange"),))

    outcome = run(gateway, headers={"authorization": "Bearer theirs"})

    assert (outcome.refusal_code, connector.asked) == ("interceptor_failed", [])
