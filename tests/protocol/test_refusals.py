"""Refusals that an agent can act on, in the protocol's own words."""

from typing import Any

import pytest

from callgate.model import Outcome
from callgate.protocol.jsonrpc import INVALID_PARAMS, REFUSED, parse_json
from callgate.protocol.refusals import META_KEY, REFUSALS, refusal_response
from fakes.calls import a_call


def refused(code: str, *, as_error: bool = False) -> Any:
    outcome = Outcome(call=a_call(id="c1"), refusal_code=code, reason="Because.")
    return parse_json(refusal_response(7, outcome, as_error=as_error))


def test_policy_refuses_with_a_tool_result_that_says_why() -> None:
    assert refused("not_permitted") == {
        "jsonrpc": "2.0",
        "id": 7,
        "result": {
            "resultType": "complete",
            "content": [{"type": "text", "text": "Because."}],
            "isError": True,
            "_meta": {META_KEY: {"code": "not_permitted", "reason": "Because.", "call": "c1"}},
        },
    }


def test_refusals_are_json_rpc_errors_where_configured() -> None:
    error = refused("not_permitted", as_error=True)["error"]

    assert (error["code"], error["data"][META_KEY]["code"]) == (REFUSED, "not_permitted")


def test_an_unknown_tool_is_always_the_protocols_own_error() -> None:
    assert refused("unknown_tool")["error"]["code"] == INVALID_PARAMS


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_code_says_what_it_means_and_stays_out_of_the_reserved_range(code: str) -> None:
    refusal = REFUSALS[code]

    assert refusal.meaning.endswith(".")
    assert refusal.http_status in (200, 401, 503)
    assert not -32099 <= REFUSED <= -32000
