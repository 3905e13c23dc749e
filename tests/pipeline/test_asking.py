import asyncio
from typing import Any

import pytest

from callgate.model import Call, Client, Era, Refused, Reply
from callgate.pipeline.asking import Asking, Outside
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller
from callgate.protocol.methods import LEVELS
from fakes.calls import a_call, a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.target import FakeCaller

PROGRESS = ("notifications/progress", {"progress": 1})


def session(era: Era = Era.LEGACY, level: str | None = None, **more: Any) -> Call:
    client = Client(key="k", log_level=level, capabilities={"roots": {}})
    return a_call(era=era, client=client, principal=a_principal(), **more)


def asking(call: Call, caller: FakeCaller, gateway: Gateway | None = None) -> Asking:
    return Asking(caller, call, gateway or a_gateway(), govern).during(call)


def told(call: Call, method: str, params: dict[str, Any]) -> bool:
    caller = FakeCaller()
    asyncio.run(asking(call, caller).notify(method, params))
    return bool(caller.told)


def test_progress_goes_to_who_asked_for_it() -> None:
    assert told(session(progress_token="p"), *PROGRESS)
    assert not told(session(), *PROGRESS)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("least", LEVELS)
def test_log_messages_are_as_severe_as_the_client_wants(level: str, least: str) -> None:
    is_told = told(session(level=least), "notifications/message", {"level": level})

    assert is_told == (LEVELS.index(level) >= LEVELS.index(least))


def test_a_modern_client_that_named_no_level_gets_no_log_messages() -> None:
    assert not told(session(Era.MODERN), "notifications/message", {"level": "alert"})
    assert told(session(Era.LEGACY), "notifications/message", {"level": "debug"})


def test_what_a_target_asks_is_governed_and_then_put_to_the_client() -> None:
    call = session(tool=a_tool())
    caller = FakeCaller(answers=[Reply(body=b'{"roots":[]}')])

    reply = asyncio.run(asking(call, caller).ask("roots/list", {"_meta": {"x": 1}}))

    assert reply == Reply(body=b'{"roots":[]}')
    assert caller.asked == [("roots/list", {})]


def test_what_policy_does_not_permit_is_never_put_to_the_client() -> None:
    call = session(tool=a_tool())
    caller = FakeCaller(answers=[Reply(body=b'{"roots":[]}')])
    gateway = a_gateway(policies='permit(principal, action in Callgate::Action::"shop", resource);')

    with pytest.raises(Refused) as caught:
        asyncio.run(asking(call, caller, gateway).ask("roots/list", {}))

    assert caught.value.code == "not_permitted"
    assert caller.asked == []


def test_a_question_that_is_malformed_is_never_put_to_the_client() -> None:
    caller = FakeCaller(answers=[Reply(body=b"{}")])

    with pytest.raises(Refused) as caught:
        asyncio.run(
            asking(session(tool=a_tool()), caller).ask("elicitation/create", {"message": 5})
        )

    assert caught.value.code == "invalid_arguments"
    assert caller.asked == []


def outside(caller: Caller, gateways: list[Gateway], **more: Any) -> Outside:
    return Outside(caller, session(id="", **more), lambda: gateways[-1], govern)


def test_outside_of_calls_the_policy_in_force_now_decides() -> None:
    gateways = [a_gateway()]
    caller = FakeCaller(answers=[Reply(body=b"{}")])
    shop = outside(caller, gateways).at("shop")
    gateways.append(
        a_gateway(policies='permit(principal, action in Callgate::Action::"CallTool", resource);')
    )

    with pytest.raises(Refused):
        asyncio.run(shop.ask("roots/list", {}))

    assert caller.asked == []


def test_updates_have_the_uri_of_the_sessions_route() -> None:
    caller = FakeCaller()
    together, alone = outside(caller, [a_gateway()]), outside(caller, [a_gateway()], route="shop")
    updated = ("notifications/resources/updated", {"uri": "demo://a"})

    asyncio.run(together.at("shop").notify(*updated))
    asyncio.run(alone.at("shop").notify(*updated))

    assert [params["uri"] for _, params in caller.told] == ["shop+demo://a", "demo://a"]


def test_a_new_level_counts_from_then_on() -> None:
    caller = FakeCaller()
    one = outside(caller, [a_gateway()])
    one.set_level("error")

    asyncio.run(one.at("shop").notify("notifications/message", {"level": "info"}))

    assert caller.told == []
    assert not one.at("shop").is_gone
