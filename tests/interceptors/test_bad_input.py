"""Whatever a Python function does as an interceptor, it is named, and nobody else is harmed."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from callgate.interceptors.python_hook import PythonHook
from callgate.model import Outcome, Ran
from callgate.pipeline.attaching import Attachment, Chain
from callgate.pipeline.breaker import Breaker, Gate
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.scrutiny import Decision, Request
from fakes.calls import a_call, a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeConnector

GOOD = {"customer": "c", "amount": 5}
Function = Callable[[Any], Any]


@pytest.fixture
def may_return() -> Iterator[threading.Event]:
    """Set at the end, so that threads that hang do not outlive the test."""
    event = threading.Event()
    yield event
    event.set()


def hook(function: Function, *points: str, name: str = "bad", **more: Any) -> Attachment:
    settings = {"timeout_seconds": 30.0, **more}
    return Attachment(
        name=name,
        interceptor=PythonHook(function),
        phases=frozenset(points or {"request"}),
        **settings,
    )


def run(gateway: Gateway) -> Outcome:
    return asyncio.run(govern(a_call(arguments=dict(GOOD)), gateway, FakeCaller()))


def entries(gateway: Gateway) -> list[Any]:
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    return [msgspec.json.decode(entry.body) for entry in store.entries]


def refused(function: Function, *points: str, **more: Any) -> tuple[Outcome, dict[str, Any]]:
    """The outcome of a call that an interceptor named `bad` spoils, and what it is told to have
    done. Its neighbours are asked as if nothing was, before it and (of what may fail) after it.
    """
    asked: list[str] = []
    before = hook(lambda _: asked.append("before"), *points, name="before", timeout_seconds=30)
    after = hook(lambda _: asked.append("after"), *points, name="after", timeout_seconds=30)
    bad = hook(function, *points, **more)
    gateway = a_gateway(chain=(before, bad, after))
    outcome = run(gateway)
    assert asked == ["before"]
    assert outcome.refusal_code == "interceptor_failed"
    assert "bad" in outcome.reason
    (change,) = entries(gateway)[-1]["changes"]
    assert (change["interceptor"], change["action"]) == ("bad", "failed")

    lenient = hook(function, *points, **{**more, "may_fail": True})
    went_on = run(a_gateway(chain=(before, lenient, after)))
    assert asked == ["before", "before", "after"]
    assert (went_on.refusal_code, went_on.call.ran) == (None, Ran.YES)
    return outcome, change


def raises(error: BaseException) -> Function:
    def plain(_: Any) -> None:
        raise error

    return plain


def raises_async(error: BaseException, waits: bool) -> Function:
    async def coroutine(_: Any) -> None:
        if waits:
            await asyncio.sleep(0)
        raise error

    return coroutine


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


ERRORS = [
    RuntimeError("broken"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    StopIteration("x"),
    StopAsyncIteration(),
    BaseException("at the very bottom"),
    BaseExceptionGroup("several", [SystemExit(1)]),
    MuteError(),
    ValueError("a lone \ud800 surrogate"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("point", ["request", "result"])
def test_whatever_it_raises_is_its_failure_and_the_gateway_lives(
    error: BaseException, point: str
) -> None:
    for function in (raises(error), raises_async(error, False), raises_async(error, True)):
        outcome, _ = refused(function, point)
        assert outcome.call.ran is (Ran.YES if point == "result" else Ran.NO)


def test_sys_exit_is_named_in_the_record() -> None:
    _, change = refused(lambda _: sys.exit("I quit"))

    assert "SystemExit" in change["note"]


def test_one_that_waits_for_something_cancelled_fails_and_the_call_is_not_cancelled() -> None:
    async def wait(_: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    _, change = refused(wait)

    assert "CancelledError" in change["note"]


def test_one_that_hangs_took_too_long(may_return: threading.Event) -> None:
    async def hang(_: Any) -> None:
        await asyncio.Event().wait()

    def hang_in_a_thread(_: Any) -> None:
        may_return.wait()

    for function in (hang, hang_in_a_thread):
        _, change = refused(function, timeout_seconds=0.05)
        assert change["note"].startswith("took too long")


def test_one_that_will_not_stop_is_left_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.pipeline.consulting.TIDY_SECONDS", 0.5)
    told = []

    async def deaf(_: Any) -> Decision:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append("stop")
        return Decision()

    async def late(_: Any) -> Decision:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return Decision()

    for function in (deaf, late):
        _, change = refused(function, timeout_seconds=0.05)
        assert change["note"].startswith("took too long")
    assert told == ["stop", "stop"]  # once with each chain


def test_one_that_tidies_up_when_its_time_is_over_has_the_time_to() -> None:
    tidied = []

    async def tidy(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    refused(tidy, timeout_seconds=0.05)

    assert tidied == [True, True]


def test_a_call_that_is_cancelled_ends_though_an_interceptor_takes_no_notice() -> None:
    async def deaf(_: Any) -> Decision:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Decision(arguments=dict(GOOD))
        raise AssertionError

    async def scene() -> tuple[Gateway, list[Any]]:
        connector = FakeConnector()
        gateway = a_gateway(chain=(hook(deaf, timeout_seconds=30),), connector=connector)
        call = a_call(arguments=GOOD)
        task = asyncio.ensure_future(govern(call, gateway, FakeCaller()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return gateway, connector.asked

    gateway, asked = asyncio.run(scene())
    assert asked == []
    assert entries(gateway)[-1]["code"] == "cancelled"


def test_threads_that_never_return_hold_up_nobody_else(may_return: threading.Event) -> None:
    hanging = hook(
        lambda _: may_return.wait(),
        may_fail=True,
        gate=Gate(breaker=Breaker(failures=0)),
        timeout_seconds=0.05,
    )
    fine = hook(lambda _: Decision(note="seen"), name="fine", timeout_seconds=30)

    async def scene() -> list[str]:
        gateway = a_gateway(chain=(hanging, fine))
        calls = [govern(a_call(arguments=dict(GOOD)), gateway, FakeCaller()) for _ in range(40)]
        outcomes = await asyncio.gather(*calls)
        assert await asyncio.to_thread(lambda: "the loop's own threads are free")
        return [outcome.call.changes[-1].note for outcome in outcomes]

    assert asyncio.run(scene()) == ["seen"] * 40


class Odd:
    """No value of JSON."""


@pytest.mark.parametrize(
    "answer",
    [
        5,
        "refuse",
        {"refuse": "as a dict"},
        [Decision()],
        Decision,
        Odd(),
        Decision(arguments=[]),  # type: ignore[arg-type]
        Decision(arguments={"amount": Odd()}),
        Decision(arguments={"customer": "\ud800"}),
        Decision(refuse=5),  # type: ignore[arg-type]
        Decision(refuse=Odd()),  # type: ignore[arg-type]
        Decision(approve=True),  # type: ignore[arg-type]
        Decision(note=Odd()),  # type: ignore[arg-type]
        Decision(note=5, labels=("a",)),  # type: ignore[arg-type]
        Decision(labels=5),  # type: ignore[arg-type]
        Decision(labels="pii"),  # type: ignore[arg-type]
        Decision(labels=("\ud800",)),
        Decision(answer=[]),  # type: ignore[arg-type]
        Decision(answer={"content": Odd()}),
        Decision(enrich=[]),  # type: ignore[arg-type]
        Decision(enrich={"days": "many"}),
        Decision(enrich={"other": 1}),
        Decision(enrich={"who": "\ud800"}),
        Decision(enrich={"who": "x" * 70_000}),
        Decision(headers={"x": "y" * 20_000}),
        Decision(headers={"x": Odd()}),  # type: ignore[dict-item]
        Decision(headers={"x": "\ud800"}),
        Decision(headers=[]),  # type: ignore[arg-type]
    ],
    ids=lambda answer: str(answer)[:60].encode("ascii", "replace").decode(),
)
def test_junk_is_a_failure(answer: Any) -> None:
    refused(lambda _: answer, facts={"days": "integer", "who": "string"})


@pytest.mark.parametrize(
    "answer",
    [
        Decision(result=[]),  # type: ignore[arg-type]
        Decision(result={"content": Odd()}),
        Decision(withhold=5),  # type: ignore[arg-type]
        Decision(withhold=Odd()),  # type: ignore[arg-type]
        Decision(note=Odd(), result={}),  # type: ignore[arg-type]
    ],
)
def test_junk_about_a_result_withholds_it(answer: Any) -> None:
    refused(lambda _: answer, "result")


def test_a_coroutine_that_nobody_awaited_is_junk_that_says_what_to_do() -> None:
    async def inner(_: Any) -> Decision:
        return Decision()

    _, change = refused(lambda view: inner(view))

    assert "declare it with `async def`" in change["note"]


def test_a_generator_function_is_junk() -> None:
    async def each(_: Any) -> Any:
        yield Decision()

    _, change = refused(each)

    assert "returned async_generator" in change["note"]


def test_huge_answers_are_refused_and_long_sentences_cut() -> None:
    huge = "x" * (17 << 20)
    _, change = refused(lambda _: Decision(arguments={**GOOD, "note": huge}), timeout_seconds=30)
    refused(lambda _: Decision(result={"content": [huge]}), "result", timeout_seconds=30)
    refused(lambda _: Decision(answer={"content": [huge]}), timeout_seconds=30)
    gateway = a_gateway(chain=(hook(lambda _: Decision(refuse=huge), timeout_seconds=30),))
    outcome = run(gateway)
    noted = a_gateway(
        chain=(hook(lambda _: Decision(note=huge, labels=("a",)), timeout_seconds=30),)
    )
    run(noted)

    assert "bytes; 16777216 are taken" in change["note"]
    assert outcome.refusal_code == "refused_by_interceptor"
    assert len(outcome.reason) < 5000 and outcome.reason.endswith("… (17825792 characters)")
    assert len(str(entries(noted)[-1])) < 10_000


def test_a_sentence_that_is_no_unicode_still_refuses() -> None:
    gateway = a_gateway(chain=(hook(lambda _: Decision(refuse="no \ud800", note="\udfff")),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.reason) == ("refused_by_interceptor", "no ?")
    assert entries(gateway)[-1]["changes"][0]["note"] == "?"


def test_endless_and_deep_answers_are_failures() -> None:
    endless: dict[str, Any] = dict(GOOD)
    endless["note"] = endless
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]

    def recurse(view: Any) -> Any:
        return recurse(view)

    for answer in (endless, {**GOOD, "note": deep}):
        refused(lambda _, answer=answer: Decision(arguments=answer), timeout_seconds=30)  # type: ignore[misc]
        refused(lambda _, answer=answer: Decision(result=answer), "result", timeout_seconds=30)  # type: ignore[misc]
    refused(recurse, timeout_seconds=30)


TAMPERING: dict[str, Function] = {
    "call_id": lambda view: setattr(view, "call_id", "c999"),
    "principal": lambda view: setattr(view, "principal", a_principal("eve")),
    "the id of the principal": lambda view: setattr(view.principal, "id", "eve"),
    "its claims": lambda view: view.principal.claims.update(role="admin"),
    "a claim of it": lambda view: view.principal.claims["roles"].append("admin"),
    "tool": lambda view: setattr(view, "tool", a_tool(name="other")),
    "its name": lambda view: setattr(view.tool, "name", "other"),
    "its definition": lambda view: view.tool.definition.pop("inputSchema"),
    "its schema": lambda view: view.tool.input_schema["properties"].clear(),
    "what it requires": lambda view: view.tool.input_schema["required"].remove("amount"),
    "headers": lambda view: view.headers.update(x="y"),
    "meta": lambda view: view.meta.update(x="y"),
    "enriched": lambda view: view.enriched.update(other={"days": 1}),
    "labels": lambda view: setattr(view, "labels", ("x",)),
}


@pytest.mark.parametrize("function", TAMPERING.values(), ids=TAMPERING)
def test_what_it_may_not_change_cannot_be_changed(function: Function) -> None:
    principal = a_principal("ada", claims={"role": "clerk", "roles": ["clerk"]})
    tool = a_tool()
    known = copy.deepcopy((principal, tool))
    seen: list[Request] = []
    lenient = hook(function, may_fail=True, timeout_seconds=30)
    neighbour = hook(seen.append, name="neighbour", timeout_seconds=30)
    gateway = a_gateway(
        tools=(tool,),
        chain=(lenient, neighbour),
        authenticator=FakeAuthenticator(anonymous=principal),
    )

    outcome = run(gateway)

    (change,) = entries(gateway)[-1]["changes"]
    assert (change["interceptor"], change["action"]) == ("bad", "failed")
    assert outcome.refusal_code is None
    assert (principal, tool) == known
    assert (seen[0].principal, seen[0].tool) == known
    assert dict(seen[0].headers) == dict(seen[0].meta) == dict(seen[0].enriched) == {}


def test_a_copy_of_what_it_may_not_change_is_its_own() -> None:
    found: list[Any] = []

    def look(request: Request) -> None:
        schema = copy.deepcopy(request.tool.input_schema)
        schema["required"].append("reason")
        schema["properties"]["reason"] = {"type": "string"}
        found.append(schema)

    gateway = a_gateway(chain=(hook(look, timeout_seconds=30),))

    assert run(gateway).refusal_code is None
    assert type(found[0]) is dict and type(found[0]["required"]) is list
    assert "reason" not in a_tool().input_schema["required"]


def test_what_it_does_to_its_own_arguments_stays_its_own() -> None:
    seen: list[Any] = []

    def spoil(view: Any) -> None:
        view.arguments.clear()
        if hasattr(view, "result"):
            view.result["content"].append("spoilt")

    connector = FakeConnector()
    look = hook(seen.append, "request", "result", name="look", timeout_seconds=30)
    gateway = a_gateway(
        chain=(hook(spoil, "request", "result", timeout_seconds=30), look), connector=connector
    )

    outcome = run(gateway)

    assert connector.asked[0].arguments == b'{"customer":"c","amount":5}'
    assert [view.arguments for view in seen] == [GOOD, GOOD]
    assert outcome.call.reply is not None and b"spoilt" not in outcome.call.reply.body


def test_a_change_of_type_alone_is_a_change() -> None:
    schema = {"type": "object", "properties": {"amount": {}}}
    connector = FakeConnector()
    gateway = a_gateway(
        tools=(a_tool(schema=schema),),
        chain=(hook(lambda _: Decision(arguments={"amount": True}), timeout_seconds=30),),
        connector=connector,
    )

    call = a_call(arguments={"amount": 1})
    outcome = asyncio.run(govern(call, gateway, FakeCaller()))

    assert outcome.refusal_code is None
    assert connector.asked[0].arguments == b'{"amount":true}'


def test_other_calls_go_on_while_one_waits() -> None:
    async def picky(request: Request) -> None:
        if request.arguments["amount"] == 1:
            await asyncio.Event().wait()

    async def scene() -> list[str | None]:
        gateway = a_gateway(chain=(hook(picky, timeout_seconds=0.2),))
        calls = [
            govern(a_call(arguments={**GOOD, "amount": amount}), gateway, FakeCaller())
            for amount in (1, 2, 3)
        ]
        return [outcome.refusal_code for outcome in await asyncio.gather(*calls)]

    assert asyncio.run(scene()) == ["interceptor_failed", None, None]


def test_a_plain_function_that_blocks_does_not_block_the_loop() -> None:
    """An async one that does is not caught: it is on the loop, and docs/interceptors.md says so."""

    async def scene() -> tuple[str | None, int]:
        may_end = threading.Event()

        def block(_: Any) -> None:
            assert may_end.wait(30)

        gateway = a_gateway(chain=(hook(block, timeout_seconds=60),))
        turns, is_over = 0, asyncio.Event()

        async def count() -> None:
            nonlocal turns
            while not is_over.is_set():
                turns += 1
                if turns > 5:
                    may_end.set()
                await asyncio.sleep(0.001)

        counting = asyncio.ensure_future(count())
        outcome = await govern(a_call(arguments=GOOD), gateway, FakeCaller())
        is_over.set()
        await counting
        return outcome.refusal_code, turns

    code, turns = asyncio.run(scene())
    assert code is None and turns > 5


def test_who_keeps_failing_is_left_alone_and_tried_again() -> None:
    asked: list[bool] = []

    def fail(_: Any) -> None:
        asked.append(True)
        raise RuntimeError

    at = hook(fail, gate=Gate(breaker=Breaker(failures=2, seconds=30)), timeout_seconds=30)
    gateway = a_gateway(chain=(at,))

    outcomes = [run(gateway) for _ in range(4)]

    assert len(asked) == 2
    assert {outcome.refusal_code for outcome in outcomes} == {"interceptor_failed"}


def test_a_chain_that_is_closed_refuses() -> None:
    at = hook(lambda _: None, timeout_seconds=30)

    async def scene() -> str | None:
        await Chain((at,)).close()
        outcome = await govern(a_call(arguments=GOOD), a_gateway(chain=(at,)), FakeCaller())
        return outcome.refusal_code

    assert asyncio.run(scene()) == "interceptor_failed"
