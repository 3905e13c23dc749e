"""What a function's answer means for the call, and what it may not want."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.lambda_answers import ContractError
from callgate.interceptors.lambda_contract import Exchange, of_list, of_request, of_result
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Decision
from fakes.intercepting import a_list, a_request, a_result

RESULT = {"content": [{"type": "text", "text": "done"}]}
ERROR = {"code": -32000, "message": "no"}


def exchange_of(point: str) -> Exchange:
    asked = method_tool("shop", "elicitation/create")
    made: dict[str, Callable[[], Exchange]] = {
        "request": lambda: of_request(a_request(meta={"k": 1}), with_headers=False),
        "result": lambda: of_result(a_result(RESULT), with_headers=False),
        "error": lambda: of_result(a_result({"error": ERROR}, is_error=True), with_headers=False),
        "list": lambda: of_list(
            a_list({"name": "shop___refund"}, {"name": "shop___order"}), with_headers=False
        ),
        "asked": lambda: of_request(
            a_request(asked, arguments={"message": "?"}), with_headers=False
        ),
        "client": lambda: of_result(a_result({"action": "accept"}, asked), with_headers=False),
    }
    return made[point]()


def decided(point: str, **mcp: Any) -> Decision | None:
    return exchange_of(point).decision({"interceptorOutputVersion": "1.0", "mcp": mcp})


def request_body(**more: Any) -> dict[str, Any]:
    params = {"name": "shop___refund", "arguments": {"customer": "c", "amount": 5}}
    return {"jsonrpc": "2.0", "id": "c1", "method": "tools/call", "params": params, **more}


def with_params(**more: Any) -> dict[str, Any]:
    return request_body(params={**request_body()["params"], **more})


def body(**more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "c1", **more}


@pytest.mark.parametrize("point", ["request", "result", "error", "list", "asked", "client"])
def test_an_answer_that_wants_nothing_leaves_everything(point: str) -> None:
    assert decided(point) is None


@pytest.mark.parametrize("point", ["request", "result", "error", "list", "asked"])
def test_what_is_passed_through_is_unchanged(point: str) -> None:
    mcp = exchange_of(point).event["mcp"]
    if point == "request":
        assert decided(point, transformedGatewayRequest=mcp["gatewayRequest"]) is None
    else:
        assert decided(point, transformedGatewayResponse=mcp["gatewayResponse"]) is None


def test_changed_arguments_replace_all() -> None:
    changed = with_params(arguments={"amount": 4})

    assert decided("request", transformedGatewayRequest={"body": changed}) == Decision(
        arguments={"amount": 4}
    )


def test_true_is_not_what_1_is() -> None:
    params = {"name": "shop___refund", "arguments": {"customer": "c", "amount": True}}
    exchange = of_request(a_request(arguments={"customer": "c", "amount": 1}), with_headers=False)

    decision = exchange.decision(
        {
            "interceptorOutputVersion": "1.0",
            "mcp": {"transformedGatewayRequest": {"body": request_body(params=params)}},
        }
    )

    assert decision == Decision(arguments=params["arguments"])  # type: ignore[arg-type]
    assert decision is not None and decision.arguments is not None
    assert decision.arguments["amount"] is True


@pytest.mark.parametrize(
    ("point", "before", "after"),
    [
        ("result", {**RESULT, "structuredContent": {"n": 0}}, {**RESULT, "structuredContent": {"n": False}}),
        ("error", {"error": {**ERROR, "data": 1}}, {"error": {**ERROR, "data": True}}),
    ],
)  # fmt: skip
def test_nor_is_it_in_a_result(point: str, before: Any, after: Any) -> None:
    view = a_result(before, is_error=point == "error")
    said = after if point == "error" else {"result": after}
    answer = {
        "interceptorOutputVersion": "1.0",
        "mcp": {"transformedGatewayResponse": {"body": body(**said)}},
    }

    assert of_result(view, with_headers=False).decision(answer) == Decision(result=after)


def test_meta_may_be_left_out_and_means_nothing() -> None:
    assert decided("request", transformedGatewayRequest={"body": request_body()}) == Decision(
        arguments={"customer": "c", "amount": 5}
    )


def test_arguments_that_were_left_out_are_gone() -> None:
    changed = request_body(params={"name": "shop___refund"})

    assert decided("request", transformedGatewayRequest={"body": changed}) == Decision(arguments={})


def test_headers_go_to_the_target() -> None:
    request = {"headers": {"X-Tenant": "a", "Authorization": "Bearer b"}}

    assert decided("request", transformedGatewayRequest=request) == Decision(
        headers={"x-tenant": "a", "authorization": "Bearer b"}
    )


@pytest.mark.parametrize(
    ("response", "decision"),
    [
        ({"statusCode": 200, "body": body(result=RESULT)}, Decision(answer=RESULT)),
        ({"body": body(result=RESULT)}, Decision(answer=RESULT)),
        ({"statusCode": 403, "body": body(error=ERROR)}, Decision(refuse="no")),
        ({"statusCode": 200, "body": body(error=ERROR)}, Decision(refuse="no")),
        ({"statusCode": 403, "body": {"error": ERROR}}, Decision(refuse="no")),
        ({"statusCode": 403, "body": {"error": "forbidden"}}, Decision(refuse="forbidden")),
        ({"statusCode": 403, "body": {"message": "forbidden"}}, Decision(refuse="forbidden")),
        ({"statusCode": 403}, Decision(refuse="The interceptor answered HTTP 403.")),
        (
            {"statusCode": 500, "body": body(error={"code": 1, "message": ""})},
            Decision(refuse="The interceptor answered HTTP 500."),
        ),
        (
            {"body": body(result={"isError": True, "content": [{"type": "text", "text": "bad"}]})},
            Decision(refuse="bad"),
        ),
        (
            {"statusCode": 400, "body": body(result={"content": [{"type": "text", "text": "b"}]})},
            Decision(refuse="b"),
        ),
        (
            {"body": body(result={"isError": True, "content": [{"type": "image"}]})},
            Decision(answer={"isError": True, "content": [{"type": "image"}]}),
        ),
        (
            {"body": body(result={"isError": True, "content": [], "structuredContent": {}})},
            Decision(answer={"isError": True, "content": [], "structuredContent": {}}),
        ),
    ],
)
def test_a_short_circuit_answers_or_refuses_and_wins_over_a_changed_request(
    response: dict[str, Any], decision: Decision
) -> None:
    changed = {"body": with_params(arguments={"amount": 1})}

    found = decided(
        "request", transformedGatewayResponse=response, transformedGatewayRequest=changed
    )

    assert found == decision


def test_a_changed_result_replaces_it_and_an_error_keeps_it_back() -> None:
    other: dict[str, Any] = {"content": []}
    changed = {"statusCode": 200, "headers": {}, "body": body(result=other)}
    refused = {"statusCode": 200, "body": body(error=ERROR)}

    assert decided("result", transformedGatewayResponse=changed) == Decision(result=other)
    assert decided("result", transformedGatewayResponse=refused) == Decision(withhold="no")
    assert decided("result", transformedGatewayResponse={"statusCode": 502}) == Decision(
        withhold="The interceptor answered HTTP 502."
    )
    assert decided("result", transformedGatewayResponse={"statusCode": 200}) is None


def test_a_changed_error_stays_one_and_may_become_a_result() -> None:
    other = {"code": -32001, "message": "hidden"}

    as_error = {"body": body(error=other)}
    as_result = {"body": body(result=RESULT)}
    assert decided("error", transformedGatewayResponse=as_error) == Decision(
        result={"error": other}
    )
    assert decided("error", transformedGatewayResponse=as_result) == Decision(result=RESULT)


def test_a_list_is_shortened_described_or_kept_back() -> None:
    tools = [{"name": "shop___order", "description": "new"}]
    changed = {"body": body(result={"tools": tools})}
    refused = {"statusCode": 403, "body": body(error=ERROR)}

    assert decided("list", transformedGatewayResponse=changed) == Decision(items=tools)
    assert decided("list", transformedGatewayResponse=refused) == Decision(withhold="no")


def test_what_a_target_asks_may_be_changed_or_refused() -> None:
    asked = {"method": "elicitation/create", "params": {"message": "!"}}
    changed = {"body": body(**asked)}
    refused = {"body": body(error=ERROR)}

    assert decided("asked", transformedGatewayResponse=changed) == Decision(
        arguments={"message": "!"}
    )
    assert decided("asked", transformedGatewayResponse=refused) == Decision(refuse="no")
    assert decided("asked", transformedGatewayResponse={}) is None


def test_what_a_client_answers_may_be_changed_or_kept_back() -> None:
    changed = {"body": body(result={"action": "decline"})}
    refused = {"statusCode": 403, "body": body(error=ERROR)}

    assert decided("client", transformedGatewayRequest=changed) == Decision(
        result={"action": "decline"}
    )
    assert decided("client", transformedGatewayRequest={"body": body(error=ERROR)}) == Decision(
        withhold="no"
    )
    assert decided("client", transformedGatewayResponse=refused) == Decision(withhold="no")
    assert decided("client", transformedGatewayRequest={}) is None


REQUESTS: list[tuple[Any, str]] = [
    ("text", "must be an object"),
    ({"body": "text"}, "must be a JSON-RPC message"),
    ({"body": request_body(id="c2")}, "changed `id`"),
    ({"body": request_body(jsonrpc="1.0")}, "changed `id` or `jsonrpc`"),
    ({"body": {"method": "tools/call"}}, "changed `id`"),
    ({"body": request_body(method="tools/list")}, "changed `method`"),
    ({"body": request_body(more=1)}, "'more' that means nothing"),
    ({"body": request_body(params=[])}, "`params` must be"),
    ({"body": with_params(name="shop___order")}, "which tool"),
    ({"body": with_params(name="refund")}, "which tool"),
    ({"body": with_params(_meta={"k": 2})}, "_meta"),
    ({"body": with_params(task={})}, "'task' that means nothing"),
    ({"body": with_params(arguments=[])}, "`params.arguments` must be"),
    ({"path": "/other"}, "changed `path`"),
    ({"httpMethod": "GET"}, "changed `httpMethod`"),
    ({"headers": {"x": 1}}, "object of texts"),
    ({"headers": [["x", "y"]]}, "object of texts"),
    ({"boddy": {}}, "'boddy' that means nothing"),
]


@pytest.mark.parametrize(("request_", "problem"), REQUESTS)
def test_a_request_may_not_become_another(request_: Any, problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        decided("request", transformedGatewayRequest=request_)


@pytest.mark.parametrize("point", ["request", "result", "error", "list"])
@pytest.mark.parametrize(
    "response",
    [
        [],
        {"statusCode": "200", "body": body(result=RESULT)},
        {"statusCode": True, "body": body(result=RESULT)},
        {"statusCode": 20, "body": body(result=RESULT)},
        {"body": "text"},
        {"body": body(result=RESULT, id="c2")},
        {"body": {"result": RESULT}},
        {"body": {"jsonrpc": "2.0", "id": 1, "error": ERROR}},
        {"body": body(result=RESULT, error=ERROR)},
        {"body": body()},
        {"body": body(result=[])},
        {"body": body(error="no")},
        {"body": body(error={"code": "x", "message": "no"})},
        {"body": body(error={"code": 1})},
        {"boddy": {}},
    ],
)
def test_a_response_that_is_none_is_a_failure(point: str, response: Any) -> None:
    with pytest.raises(ContractError):
        decided(point, transformedGatewayResponse=response)


@pytest.mark.parametrize(
    ("point", "mcp"),
    [
        ("request", {"transformedGatewayResponse": {"statusCode": 200}}),
        ("request", {"transformedGatewayReponse": {}}),
        ("result", {"transformedGatewayRequest": {"body": {}}}),
        ("list", {"transformedGatewayResponse": {"body": body(result={})}}),
        ("list", {"transformedGatewayResponse": {"body": body(result={"tools": [{"name": "x"}]})}}),
        ("list", {"transformedGatewayResponse": {"body": body(result={"tools": ["x"]})}}),
        ("asked", {"transformedGatewayResponse": {"body": body(method="roots/list")}}),
        ("asked", {"transformedGatewayResponse": {"body": body(result={})}}),
        ("client", {"transformedGatewayResponse": {"body": body(result={})}}),
        ("client", {"transformedGatewayRequest": {"body": body(method="tools/call")}}),
    ],
)
def test_what_means_nothing_at_a_point_is_a_failure(point: str, mcp: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        decided(point, **mcp)


WORDS = st.sampled_from(
    [
        "jsonrpc",
        "id",
        "method",
        "params",
        "result",
        "error",
        "body",
        "headers",
        "statusCode",
        "transformedGatewayRequest",
        "transformedGatewayResponse",
        "name",
        "arguments",
        "tools",
        "code",
        "message",
        "content",
        "isError",
        "text",
    ]
)
LEAVES = st.sampled_from(
    [None, True, 0, 200, 403, 1.5, "", "2.0", "c1", "tools/call", "shop___refund", "x"]
)
JUNK = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4)
)


@pytest.mark.parametrize("point", ["request", "result", "error", "list", "asked", "client"])
@given(response=JUNK, request_=JUNK)
def test_whatever_is_answered_is_a_decision_that_fits_or_a_failure(
    point: str, response: Any, request_: Any
) -> None:
    is_bare = isinstance(response, dict) and not {"id", "jsonrpc"} & response.keys()
    whole = body(**response) if is_bare else response
    for mcp in (
        {"transformedGatewayResponse": response},
        {"transformedGatewayResponse": {"body": whole}},
        {"transformedGatewayRequest": request_},
        {"transformedGatewayRequest": {"body": request_}},
    ):
        try:
            decision = decided(point, **mcp)
        except ContractError:
            continue
        if decision is None:
            continue
        assert msgspec.convert(msgspec.to_builtins(decision), Decision) == decision
        for sentence in (decision.refuse, decision.withhold):
            assert sentence is None or sentence
