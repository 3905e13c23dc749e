"""Another system is asked once for the same, within bounds; what it does wrong is a failure."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.enriching.lookups import (
    Lookup,
    LookupSettings,
    UnansweredError,
    pointed,
)
from callgate.scrutiny import Request
from fakes.answering import Answering, answering
from fakes.calls import a_principal, a_tool
from fakes.clock import FakeClock

Answer = Callable[[str], Awaitable[tuple[int, bytes]]]
FACTS = {"tier": "/customer/tier", "score": "/score"}


def request(customer: Any = "C-1", **more: Any) -> Request:
    arguments = {"customer": customer}
    return Request(call_id="c", principal=a_principal(**more), tool=a_tool(), arguments=arguments)


def always(body: bytes, status: int = 200) -> Answer:
    async def answer(_: str) -> tuple[int, bytes]:
        return status, body

    return answer


GOOD = always(b'{"customer":{"tier":"gold"},"score":7}')


def run(
    answer: Answer, use: Callable[[Lookup, Answering], Awaitable[Any]], **settings: Any
) -> tuple[Any, list[str]]:
    async def whole() -> tuple[Any, list[str]]:
        async with answering(answer) as server:
            url = f"{server.url}/c/{{argument:$.customer}}"
            clock = settings.pop("clock", FakeClock())
            chosen = {"url": url, "facts": FACTS, **settings}
            lookup = Lookup(LookupSettings.model_validate(chosen), clock.ticks)
            try:
                return await use(lookup, server), server.paths
            finally:
                await lookup.close()

    return asyncio.run(whole())


def once(customer: Any = "C-1") -> Callable[[Lookup, Answering], Awaitable[Any]]:
    async def use(lookup: Lookup, _: Answering) -> Any:
        try:
            return await lookup.facts(request(customer))
        except UnansweredError as error:
            return str(error)

    return use


def test_facts_are_read_where_pointers_lead() -> None:
    assert run(GOOD, once()) == ({"tier": "gold", "score": 7}, ["/c/C-1"])
    assert run(always(b'{"customer":{"tier":null},"other":1}'), once())[0] == {}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("a/../b?c=d#e", "/c/a%2F..%2Fb%3Fc%3Dd%23e"),
        ("grüße %2e", "/c/gr%C3%BC%C3%9Fe%20%252e"),
        (42, "/c/42"),
    ],
)
def test_values_stand_encoded_in_the_url(value: Any, path: str) -> None:
    assert run(GOOD, once(value))[1] == [path]


@pytest.mark.parametrize("value", ["..", ".", "x" * 513, ["a", "b"]])
def test_what_cannot_stand_in_a_url_is_never_asked(value: Any) -> None:
    told, paths = run(GOOD, once(value))

    assert "cannot stand in a URL" in told and paths == []


@pytest.mark.parametrize("value", [None, "", [], {}, 1.5])
def test_where_there_is_nothing_to_ask_about_there_are_no_facts(value: Any) -> None:
    assert run(GOOD, once(value)) == ({}, [])


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (always(b"", 500), "answered with status 500"),
        (always(b"", 302), "answered with status 302"),
        (always(b"", 204), "answered with status 204"),
        (always(b"<html>"), "what is no JSON"),
        (always(b"[" * 10_000), "what is no JSON"),
        (always(b'{"tier": "gold", "tier": "none"}'), "what is no JSON"),
        (always(b'"' + b"x" * 70_000 + b'"'), "longer than 65536 bytes"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(answer: Answer, problem: str) -> None:
    assert problem in run(answer, once())[0]


def test_what_is_not_known_has_no_facts_and_that_is_remembered() -> None:
    async def twice(lookup: Lookup, _: Answering) -> Any:
        return [await lookup.facts(request()) for _ in range(2)]

    assert run(always(b"", 404), twice) == ([{}, {}], ["/c/C-1"])


def test_a_slow_system_is_given_up() -> None:
    async def hangs(_: str) -> tuple[int, bytes]:
        await asyncio.Event().wait()
        raise AssertionError

    assert "did not answer in time" in run(hangs, once(), timeout_seconds=0.05)[0]


def test_a_system_that_is_down_is_a_failure() -> None:
    async def down() -> None:
        lookup = Lookup(
            LookupSettings.model_validate({"url": "http://127.0.0.1:1/x", "facts": {"a": "/a"}}),
            FakeClock().ticks,
        )
        with pytest.raises(UnansweredError, match="cannot be asked"):
            await lookup.facts(request())
        await lookup.close()

    asyncio.run(down())


def test_answers_are_remembered_for_their_time_and_failures_for_less() -> None:
    clock = FakeClock()
    statuses = [200, 500, 200]

    async def changing(_: str) -> tuple[int, bytes]:
        return statuses.pop(0), b'{"score":1}'

    async def use(lookup: Lookup, server: Answering) -> Any:
        told = []
        for seconds in (0, 59, 2, 4, 2):
            clock.advance(seconds)
            told.append((await once()(lookup, server), len(server.paths)))
        return told

    (first, kept, failed, still, again), _ = run(changing, use, clock=clock)

    assert (first, kept) == (({"score": 1}, 1), ({"score": 1}, 1))
    assert "status 500" in failed[0] and failed[1] == 2
    assert still == failed
    assert again == ({"score": 1}, 3)


def test_who_comes_meanwhile_waits_for_the_same_answer_also_where_the_first_gives_up() -> None:
    async def use(lookup: Lookup, server: Answering) -> Any:
        first = asyncio.ensure_future(lookup.facts(request()))
        others = [asyncio.ensure_future(lookup.facts(request())) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*others)

    told, paths = run(GOOD, use)

    assert told == [{"tier": "gold", "score": 7}] * 5 and len(paths) == 1


def test_the_answers_that_were_used_least_recently_are_forgotten() -> None:
    async def use(lookup: Lookup, server: Answering) -> Any:
        for customer in ("a", "b", "a", "c", "a", "b"):
            await lookup.facts(request(customer))
        return len(lookup)

    assert run(GOOD, use, max_entries=2) == (2, ["/c/a", "/c/b", "/c/c", "/c/b"])


def test_headers_are_sent_and_their_values_are_never_shown() -> None:
    async def use(lookup: Lookup, server: Answering) -> Any:
        await lookup.facts(request())
        return server.headers[0]["authorization"]

    assert run(GOOD, use, headers={"authorization": "Bearer s3cret"})[0] == "Bearer s3cret"
    settings = {"url": "https://a.example/", "facts": {"a": ""}, "headers": {"x": "s3cret"}}
    assert "s3cret" not in repr(LookupSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://risk.example/x", "must be https"),
        ("https://{principal.id}.example/", "fixed host"),
        ("https://{argument:$.host}/", "fixed host"),
        ("https://risk.example/{customer}", "names nothing"),
        ("https://a@risk.example/", "not carry a user name"),
        ("https://risk.example/a b", "without spaces"),
        ("https://risk.example\\@evil.example/", "without spaces|not carry a user name"),
        ("ftp://risk.example/", "https URL"),
    ],
)
def test_a_url_that_may_not_be_asked_says_why(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        LookupSettings.model_validate({"url": url, "facts": {"a": "/a"}})


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("", {"a/b": [5]}), ("/a~1b/0", 5), ("/a~1b/1", None), ("/x/y", None), ("/a~1b/-", None)],
)
def test_pointers_lead_where_the_standard_says(pointer: str, value: Any) -> None:
    assert pointed({"a/b": [5]}, pointer) == value
