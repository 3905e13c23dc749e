import asyncio
import json
from typing import Any

import pytest

from callgate.downstream.parking import MAX_PARKED, Parked, Parking, asking_response
from callgate.model import Call, FollowUp, Outcome, Refused
from callgate.pipeline.sealing import Seal
from callgate.ports import Caller, Unanswerable
from fakes.calls import a_call, a_principal
from fakes.store import until
from fakes.target import FakeCaller

SEAL = Seal(Seal.new_key())
ADA = a_principal("ada")


def a_start(**more: Any) -> Call:
    return a_call(principal=ADA, arguments={"n": 1}, **more)


def repeated(state: str, responses: dict[str, Any] | None = None, **more: Any) -> Call:
    settings = {"principal": ADA, "arguments": {"n": 1}, **more}
    return a_call(follow_up=FollowUp(responses=responses, state=state), **settings)


class Lot:
    """A parking with one call in it, whose target does what a test says."""

    def __init__(self, target: Any) -> None:
        self.parking = Parking()
        self.call = a_start()
        self.parked = self.parking.new(self.call)
        self.ended: list[str] = []

        async def work(caller: Caller) -> Outcome:
            try:
                await target(caller)
            except asyncio.CancelledError:
                self.ended.append("cancelled")
                raise
            return Outcome(call=self.call)

        self.parking.begin(self.call, work(self.parked), self.parked)

    async def turn(self, caller: FakeCaller | None = None) -> Outcome | None:
        return await self.parking.turn(self.parked, caller or FakeCaller())

    def asked(self) -> dict[str, Any]:
        body = asking_response(7, self.parked, SEAL, ADA.key)
        message: dict[str, Any] = json.loads(body)
        assert message["id"] == 7
        result: dict[str, Any] = message["result"]
        assert result["resultType"] == "input_required"
        return result


async def asks_once(caller: Caller) -> None:
    reply = await caller.ask("roots/list", {"x": 1})
    await caller.notify("said", json.loads(reply.body))


def test_a_call_without_a_question_ends_in_its_first_turn() -> None:
    async def quiet(_caller: Caller) -> None: ...

    async def scenario() -> None:
        lot = Lot(quiet)
        assert await lot.turn() is not None
        assert len(lot.parking) == 0

    asyncio.run(scenario())


def test_a_question_ends_the_request_and_its_repetition_brings_the_answer() -> None:
    async def scenario() -> None:
        lot = Lot(asks_once)
        assert await lot.turn() is None
        result = lot.asked()
        assert result["inputRequests"] == {"roots-1": {"method": "roots/list", "params": {"x": 1}}}
        again = repeated(result["requestState"])
        assert lot.parking.find(again, SEAL) is lot.parked
        lot.parked.answered({"roots-1": {"roots": []}, "another": {}})
        caller = FakeCaller()
        assert await lot.turn(caller) is not None
        assert caller.told == [("said", {"roots": []})]
        assert len(lot.parking) == 0

    asyncio.run(scenario())


def test_a_repetition_without_the_answer_is_asked_again() -> None:
    async def scenario() -> None:
        lot = Lot(asks_once)
        await lot.turn()
        lot.parked.answered({"wrong": {}})
        assert await lot.turn() is None
        assert set(lot.asked()["inputRequests"]) == {"roots-1"}
        lot.parked.answered({"roots-1": {}})
        assert await lot.turn() is not None

    asyncio.run(scenario())


def test_two_questions_at_once_are_both_asked() -> None:
    async def two(caller: Caller) -> None:
        await asyncio.gather(caller.ask("roots/list", {}), caller.ask("elicitation/create", {}))

    async def scenario() -> None:
        lot = Lot(two)
        assert await lot.turn() is None
        await asyncio.sleep(0)
        assert set(lot.asked()["inputRequests"]) == {"roots-1", "elicitation-2"}
        lot.parked.answered({"roots-1": {}})
        assert await lot.turn() is None
        assert set(lot.asked()["inputRequests"]) == {"elicitation-2"}
        lot.parked.answered({"elicitation-2": {}})
        assert await lot.turn() is not None

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "other",
    [
        {"principal": a_principal("eve")},
        {"arguments": {"n": 2}},
        {"requested_name": "shop___other"},
        {"route": "shop"},
    ],
)
def test_nobody_else_and_no_other_call_takes_up_a_parked_one(other: dict[str, Any]) -> None:
    async def scenario() -> None:
        lot = Lot(asks_once)
        await lot.turn()
        state = lot.asked()["requestState"]
        if "principal" in other:
            assert lot.parking.find(repeated(state, **other), SEAL) is None
        else:
            with pytest.raises(Refused) as caught:
                lot.parking.find(repeated(state, **other), SEAL)
            assert caught.value.code == "invalid_state"

    asyncio.run(scenario())


def test_a_state_that_is_over_or_in_use_is_refused() -> None:
    async def scenario() -> None:
        lot = Lot(asks_once)
        await lot.turn()
        again = repeated(lot.asked()["requestState"])
        lot.parked.answered({"roots-1": {}})

        async def forever(_caller: Caller) -> None:
            await asyncio.Event().wait()

        busy = Lot(forever)
        waiting = asyncio.ensure_future(busy.turn())
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            busy.parking.find(repeated(busy.asked()["requestState"]), SEAL)
        waiting.cancel()
        await asyncio.wait({waiting})
        await lot.turn()
        with pytest.raises(Refused):
            lot.parking.find(again, SEAL)

    asyncio.run(scenario())


def test_a_state_of_the_targets_own_is_no_parked_call() -> None:
    assert Parking().find(repeated("x"), SEAL) is None
    assert Parking().find(a_start(), SEAL) is None


def test_a_client_that_hangs_up_cancels_the_call() -> None:
    async def forever(_caller: Caller) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        lot = Lot(forever)
        request = asyncio.ensure_future(lot.turn())
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.wait({request})
        assert lot.ended == ["cancelled"]
        assert lot.parked.is_gone
        assert len(lot.parking) == 0
        with pytest.raises(Unanswerable):
            await lot.parked.ask("roots/list", {})

    asyncio.run(scenario())


def test_a_stop_ends_what_waits_for_a_client() -> None:
    async def scenario() -> None:
        lot = Lot(asks_once)
        await lot.turn()
        lot.parking.stop()
        await until(lambda: lot.ended == ["cancelled"])
        assert len(lot.parking) == 0

    asyncio.run(scenario())


def test_how_a_call_ended_between_two_requests_is_told_to_the_second() -> None:
    async def scenario() -> None:
        goes_on = asyncio.Event()

        async def gives_up(caller: Caller) -> None:
            asking = asyncio.ensure_future(caller.ask("roots/list", {}))
            await goes_on.wait()
            asking.cancel()
            await asyncio.wait({asking})

        lot = Lot(gives_up)
        assert await lot.turn() is None
        again = repeated(lot.asked()["requestState"])
        goes_on.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert lot.parking.find(again, SEAL) is lot.parked
        assert await lot.turn() is not None
        assert len(lot.parking) == 0

    asyncio.run(scenario())


def test_there_is_an_end_to_how_many_are_parked() -> None:
    parking = Parking()
    for number in range(MAX_PARKED):
        assert parking.has_room("ada")
        _park(parking, str(number), "ada")

    assert not parking.has_room("ada")


def test_who_lets_calls_wait_takes_no_place_from_others() -> None:
    parking = Parking()
    for number in range(MAX_PARKED - 1):
        _park(parking, f"e{number}", "eve")
    _park(parking, "a0", "ada")

    for number in range(2):
        assert parking.has_room("ada")
        _park(parking, f"a{number + 1}", "ada")
        assert f"e{number}" not in parking._parked
    assert not parking.has_room("eve")
    assert {"a0", "a1", "a2", "e2"} < parking._parked.keys()


def test_calls_whose_clients_are_there_make_no_room() -> None:
    async def scenario() -> None:
        parking = Parking()
        for number in range(MAX_PARKED):
            parked = _park(parking, str(number), "eve")
            parked._turn = asyncio.get_running_loop().create_future()
        assert not parking.has_room("ada")

    asyncio.run(scenario())


def _park(parking: Parking, name: str, of: str) -> Parked:
    parked = parking._parked[name] = Parked(id=name, fingerprint="", of=of)
    return parked


def test_progress_is_told_under_the_token_of_the_request_that_is_open() -> None:
    async def steps(caller: Caller) -> None:
        await caller.notify("notifications/progress", {"progressToken": "a", "progress": 1})
        await caller.ask("roots/list", {})
        await caller.notify("notifications/progress", {"progressToken": "a", "progress": 2})

    async def scenario() -> None:
        lot = Lot(steps)
        first, second = FakeCaller(), FakeCaller()
        assert await lot.parking.turn(lot.parked, first, "a") is None
        lot.parked.answered({"roots-1": {}})
        assert await lot.parking.turn(lot.parked, second, "b") is not None
        assert [params["progressToken"] for _, params in first.told + second.told] == ["a", "b"]

    asyncio.run(scenario())


def test_a_request_that_wants_no_progress_gets_none() -> None:
    async def steps(caller: Caller) -> None:
        await caller.notify("notifications/progress", {"progressToken": "a", "progress": 1})

    async def scenario() -> None:
        lot, caller = Lot(steps), FakeCaller()
        assert await lot.parking.turn(lot.parked, caller) is not None
        assert caller.told == []

    asyncio.run(scenario())


def test_notes_between_two_requests_are_heard_by_nobody() -> None:
    async def scenario() -> None:
        parked = Parked(id="p", fingerprint="", of="ada")
        await parked.notify("notifications/progress", {})
        parked.answered({"x": {}})
        assert parked.questions() == {}

    asyncio.run(scenario())
