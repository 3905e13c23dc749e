"""A gRPC server around real calls: obeyed, recorded, and no harm to anybody when it fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.app.parts import PartError
from callgate.interceptors.grpc_messages import CHECK, CHECK_REQUEST, CHECK_RESPONSE
from callgate.model import Outcome, Ran
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from fakes.calls import a_call
from fakes.chains import a_chain
from fakes.gateway import a_gateway
from fakes.grpc_target import GrpcTarget, Hang, grpc
from fakes.intercepting import recorded
from fakes.target import FakeCaller, FakeConnector

GOOD = {"customer": "c", "amount": 5}
YES, NO = {"status": {"code": 0}}, {"denied_response": {"body": "Not you."}}
PASS: dict[str, Any] = {"pass": {}}


class World:
    """A gateway whose calls a gRPC server sees first."""

    def __init__(self, gateway: Gateway, connector: FakeConnector) -> None:
        self.gateway = gateway
        self.connector = connector

    async def call(self, **arguments: Any) -> Outcome:
        call = a_call(arguments={**GOOD, **arguments})
        return await govern(call, self.gateway, FakeCaller())

    @property
    def sent(self) -> list[Any]:
        return [msgspec.json.decode(request.arguments) for request in self.connector.asked]


def within(
    directory: Path,
    target: GrpcTarget,
    scenario: Callable[[World], Awaitable[None]],
    protocol: str = "ext_authz",
    policies: str | None = None,
    **settings: Any,
) -> None:
    block = settings.pop("grpc", {})

    async def run() -> None:
        async with target.serve() as address:
            said = {"name": "pdp", "grpc": {"address": address, "protocol": protocol, **block}}
            chain = a_chain(directory, {**said, **settings})
            connector = FakeConnector()
            more: dict[str, Any] = {} if policies is None else {"policies": policies}
            gateway = a_gateway(chain=chain.attachments, connector=connector, **more)
            try:
                await scenario(World(gateway, connector))
            finally:
                await chain.close()

    asyncio.run(run())


def test_a_yes_lets_the_call_pass_and_a_no_refuses_it_with_its_reason(tmp_path: Path) -> None:
    def decide(question: Any) -> Any:
        body = json.loads(question.attributes.request.http.body)
        return NO if body["params"]["arguments"]["amount"] > 10 else YES

    async def scenario(world: World) -> None:
        assert (await world.call()).refusal_code is None
        outcome = await world.call(amount=11)

        assert (outcome.refusal_code, outcome.reason) == ("refused_by_interceptor", "Not you.")
        assert len(world.sent) == 1
        (change,) = recorded(world.gateway)
        assert change.pop("seconds") == 0  # a clock that stands still
        assert change == {
            "interceptor": "pdp",
            "phase": "request",
            "action": "refused",
            "paths": [],
            "note": "denied, status 0",
        }

    within(tmp_path, GrpcTarget({CHECK: decide}), scenario)


def test_headers_go_to_the_target_and_facts_to_policy(tmp_path: Path) -> None:
    answer = {
        "ok_response": {"headers": [{"header": {"key": "x-user", "value": "ada"}}]},
        "dynamic_metadata": {"risk": 9},
    }
    policies = (
        '@id("p") permit(principal, action, resource);'
        '@id("f") forbid(principal, action, resource)'
        " when { context.enriched has pdp && context.enriched.pdp has risk"
        " && context.enriched.pdp.risk > 5 && context.input.amount > 4 };"
    )

    async def scenario(world: World) -> None:
        outcome = await world.call()
        assert outcome.refusal_code == "not_permitted"
        assert outcome.call.onward == {"x-user": "ada"}
        assert (await world.call(amount=1)).refusal_code is None
        assert world.connector.asked[0].headers == {"x-user": "ada"}

    within(
        tmp_path,
        GrpcTarget({CHECK: answer}),
        scenario,
        policies=policies,
        grpc={"facts": ["risk"]},
        enriches={"risk": "integer"},
    )


def test_ext_mcp_changes_arguments_and_results_and_both_are_on_record(tmp_path: Path) -> None:
    def lower(question: Any) -> Any:
        params = json.loads(question.mcp_request)
        params["arguments"]["amount"] = 1
        return {"mutated": json.dumps(params).encode()}

    target = GrpcTarget({CHECK_REQUEST: lower, CHECK_RESPONSE: {"mutated": b'{"content":[]}'}})

    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert world.sent == [{**GOOD, "amount": 1}]
        assert outcome.call.reply is not None and outcome.call.reply.body == b'{"content":[]}'
        assert [(one["phase"], one["action"]) for one in recorded(world.gateway)] == [
            ("request", "changed"),
            ("result", "changed"),
        ]

    within(tmp_path, target, scenario, "ext_mcp", on=["request", "result"])


def test_ext_mcp_withholds_a_result(tmp_path: Path) -> None:
    target = GrpcTarget({CHECK_RESPONSE: {"error": {"reason": "Too much."}}})

    async def scenario(world: World) -> None:
        outcome = await world.call()

        assert (outcome.refusal_code, outcome.reason) == ("result_withheld", "Too much.")
        assert outcome.call.ran is Ran.YES

    within(tmp_path, target, scenario, "ext_mcp", on=["result"])


@pytest.mark.parametrize(
    ("protocol", "answer", "words"),
    [
        ("ext_authz", b"", "neither a status"),
        ("ext_authz", b"\xff" * 20, "is no CheckResponse"),
        ("ext_authz", grpc.StatusCode.INTERNAL, "INTERNAL"),
        ("ext_authz", Hang, "did not answer"),
        ("ext_authz", {"status": {"message": "x" * 9000}}, "too large"),
        (
            "ext_authz",
            {"ok_response": {"headers": [{"header": {"key": "a", "value": "b\r\nc"}}]}},
            "printable",
        ),
        ("ext_mcp", {"mutated": b"{"}, "not JSON"),
        ("ext_mcp", {"mutated": b'{"name":"other","arguments":{}}'}, "changes the tool"),
        ("ext_mcp", {"metadata": {"fields": {}}}, "holds no result"),
        (
            "ext_mcp",
            {**PASS, "metadata": {"risk": 1}},
            "not declared",
        ),
    ],
)
def test_what_fails_refuses_that_call_with_its_name_and_no_other(
    tmp_path: Path, protocol: str, answer: Any, words: str
) -> None:
    path = CHECK if protocol == "ext_authz" else CHECK_REQUEST
    good = YES if protocol == "ext_authz" else PASS

    def decide(question: Any) -> Any:
        said = json_of(question)
        return answer if said["arguments"]["amount"] == 13 else good

    def json_of(question: Any) -> Any:
        if protocol == "ext_mcp":
            return json.loads(question.mcp_request)
        return json.loads(question.attributes.request.http.body)["params"]

    async def scenario(world: World) -> None:
        bad, *others = await asyncio.gather(world.call(amount=13), world.call(), world.call())

        assert bad.refusal_code == "interceptor_failed" and "interceptor pdp" in bad.reason
        assert words in bad.detail or ("took too long" in bad.detail and answer is Hang)
        assert [one.refusal_code for one in others] == [None, None]
        assert world.sent == [GOOD, GOOD]

    block = {"max_response_bytes": 4096, "facts": ["risk"]}
    seconds = 1.5 if answer is Hang else 30.0
    target = GrpcTarget({path: decide})
    within(tmp_path, target, scenario, protocol, grpc=block, timeout_seconds=seconds)


def test_on_failure_allow_lets_a_call_pass_and_keeps_that_on_record(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert (await world.call()).refusal_code is None
        assert [one["action"] for one in recorded(world.gateway)] == ["failed"]

    within(tmp_path, GrpcTarget({CHECK_REQUEST: PASS}), scenario, on_failure="allow")


@pytest.mark.parametrize(
    ("protocol", "points", "words"),
    [
        ("ext_authz", ["result"], "no way to ask about a result"),
        ("ext_authz", ["request", "list"], "no way to ask about a list"),
        ("ext_mcp", ["message"], "no way to ask about a message"),
    ],
)
def test_what_a_protocol_cannot_see_is_said_when_it_is_made(
    tmp_path: Path, protocol: str, points: list[str], words: str
) -> None:
    block = {"address": "127.0.0.1:1", "protocol": protocol}
    with pytest.raises(PartError, match=f"interceptors: pdp: .*{words}"):
        a_chain(tmp_path, {"name": "pdp", "grpc": block, "on": points})


def test_files_are_found_beside_the_configuration(tmp_path: Path) -> None:
    block = {"address": "h.example:1", "protocol": "ext_authz", "authority": "tls/ca.pem"}
    with pytest.raises(PartError, match=f"{tmp_path}/tls/ca.pem cannot be read"):
        a_chain(tmp_path, {"name": "pdp", "grpc": block})
