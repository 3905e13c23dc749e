"""Many requests over one pipe: each gets its own answer, however the bytes arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from callgate.model import Era
from callgate.ports import ToolRequest
from callgate.protocol.outbound import WireError
from callgate.upstream import stdio_link
from callgate.upstream.child import Child, OutputLog
from callgate.upstream.faults import Lost
from callgate.upstream.session import Notes
from callgate.upstream.stdio_link import MAX_JUNK_LINES, MAX_NOTES, Asked, StdioLink
from fakes.store import until
from fakes.target import FakeCaller

MODERN = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {"listChanged": True}}}
LEGACY = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}


class FakeChild:
    """A pipe without a process: a test reads what was written and says what comes out."""

    pid = 1
    fate = "it exited with status 9"

    def __init__(self) -> None:
        self.stdout = asyncio.StreamReader()
        self.written: list[dict[str, Any]] = []
        self.on_write: Callable[[dict[str, Any]], None] = lambda message: None
        self.is_broken = False
        self.has_exited = asyncio.Event()

    async def write(self, line: bytes) -> None:
        if self.is_broken:
            raise BrokenPipeError
        assert b"\n" not in line
        self.written.append(json.loads(line))
        self.on_write(self.written[-1])

    def say(self, line: bytes) -> None:
        self.written.append(json.loads(line))

    async def log_errors(self, log: OutputLog) -> None:
        await asyncio.Event().wait()

    async def exited(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self.has_exited.wait(), seconds)
        except TimeoutError:
            return

    async def end(self) -> None:
        self.has_exited.set()

    def out(self, *messages: Any) -> None:
        for message in messages:
            self.stdout.feed_data(json.dumps(message).encode() + b"\n")

    def said(self, method: str) -> list[dict[str, Any]]:
        return [message for message in self.written if message.get("method") == method]


class Bench:
    def __init__(self, directory: Path, *, is_shared: bool = True) -> None:
        self.child = FakeChild()
        self.ids = count(1)
        self.changes = 0
        self.log = OutputLog(directory / "x.log", 1000)
        self.link = StdioLink(
            cast(Child, self.child),
            self.log,
            max_line_bytes=1000,
            is_shared=is_shared,
            next_id=lambda: next(self.ids),
            on_change=self.changed,
        )

    def changed(self) -> None:
        self.changes += 1

    def ask(self, caller: FakeCaller | None = None) -> tuple[int, asyncio.Task[Any]]:
        number = next(self.ids)
        request = ToolRequest(call_id="c", tool="t", arguments=b"{}", progress_token="mine")
        notes = Notes(request, caller or FakeCaller(), number)
        body = json.dumps({"id": number, "method": "x"}).encode()
        return number, asyncio.ensure_future(self.link.ask(Asked(number, notes), body))


def run(directory: Path, scenario: Callable[[Bench], Awaitable[None]], **settings: Any) -> None:
    async def whole() -> None:
        bench = Bench(directory, **settings)
        async with asyncio.timeout(10):
            await scenario(bench)
        await bench.link.close()
        bench.log.close()

    asyncio.run(whole())


def test_answers_find_their_requests_in_any_order_and_byte_by_byte(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        asked = [bench.ask() for _ in range(3)]
        await asyncio.sleep(0)
        for number, _ in reversed(asked):
            for byte in json.dumps({"id": number, "result": {"n": number}}).encode() + b"\r\n":
                bench.child.stdout.feed_data(bytes([byte]))
                await asyncio.sleep(0)
        for number, task in asked:
            assert json.loads(bytes((await task).result)) == {"n": number}

    run(tmp_path, scenario)


def test_answers_nobody_waits_for_are_passed_over(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        number, task = bench.ask()
        await asyncio.sleep(0)
        bench.child.out({"id": 99, "result": {}}, {"id": str(number), "result": {}}, {})
        bench.child.out({"id": number, "result": {"ok": 1}}, {"id": number, "result": {"ok": 2}})
        assert bytes((await task).result) == b'{"ok": 1}'

    run(tmp_path, scenario)


def test_the_end_of_the_child_ends_all_that_wait_and_refuses_what_comes(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        asked = [bench.ask()[1] for _ in range(3)]
        await asyncio.sleep(0)
        bench.child.has_exited.set()
        bench.child.stdout.feed_eof()
        for ended in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(ended, Lost)
            assert str(ended) == "it exited with status 9"
        assert bench.link.has_died.is_set()
        asked_late = Asked(1)
        with pytest.raises(Lost):
            await bench.link.ask(asked_late, b"{}")
        assert not asked_late.is_sent

    run(tmp_path, scenario)


def test_the_last_words_of_a_child_count(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        number, task = bench.ask()
        await asyncio.sleep(0)
        bench.child.has_exited.set()
        bench.child.out({"id": number, "result": {}})
        bench.child.stdout.feed_eof()
        assert bytes((await task).result) == b"{}"

    run(tmp_path, scenario)


def test_a_pipe_that_broke_sent_nothing(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.child.is_broken = True
        asked = Asked(1)
        with pytest.raises(Lost):
            await bench.link.ask(asked, b"{}")
        assert not asked.is_sent

    run(tmp_path, scenario)


def test_only_what_was_sent_is_cancelled(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        number, task = bench.ask()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        [note] = bench.child.said("notifications/cancelled")
        assert note["params"]["requestId"] == number

    run(tmp_path, scenario)


def test_a_flood_of_notes_keeps_the_latest_and_the_answer(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        caller = FakeCaller()
        number, task = bench.ask(caller)
        await asyncio.sleep(0)
        for step in range(2 * MAX_NOTES):
            params = {"progressToken": number, "progress": step}
            bench.child.out({"method": "notifications/progress", "params": params})
        bench.child.out({"id": number, "result": {}})
        await task
        assert len(caller.told) <= 2 * MAX_NOTES
        assert caller.told[-1][1] == {"progressToken": "mine", "progress": 2 * MAX_NOTES - 1}

    run(tmp_path, scenario)


@pytest.mark.parametrize(("is_shared", "told"), [(True, 0), (False, 1)])
def test_log_messages_are_for_who_has_the_pipe_to_itself(
    tmp_path: Path, is_shared: bool, told: int
) -> None:
    async def scenario(bench: Bench) -> None:
        caller = FakeCaller()
        number, task = bench.ask(caller)
        await asyncio.sleep(0)
        bench.child.out({"method": "notifications/message", "params": {"data": 1}})
        bench.child.out({"id": number, "result": {}})
        await task
        assert len(caller.told) == told

    run(tmp_path, scenario, is_shared=is_shared)


def test_lines_that_are_no_messages_are_borne_up_to_a_point(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        number, task = bench.ask()
        await asyncio.sleep(0)
        for _ in range(3):
            bench.child.stdout.feed_data(b"junk\n" * (MAX_JUNK_LINES - 1))
            bench.child.out({"method": "notifications/fine"})
        bench.child.out({"id": number, "result": {}})
        await task
        await until(lambda: log.exists() and b"stdout: junk\n" in log.read_bytes())
        _, lost = bench.ask()
        bench.child.stdout.feed_data(b"\xff{}\n" * (MAX_JUNK_LINES + 1))
        with pytest.raises(Lost, match="not MCP"):
            await lost

    log = tmp_path / "x.log"
    run(tmp_path, scenario)


def test_an_answer_over_the_bound_fails_its_own_request(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (number, large), (other, fine) = bench.ask(), bench.ask()
        await asyncio.sleep(0)
        bench.child.out({"id": number, "result": {"x": "y" * 2000}}, {"id": other, "result": {}})
        with pytest.raises(WireError, match="max_response_bytes"):
            await large
        await fine

    run(tmp_path, scenario)


def test_a_line_without_end_ends_the_child(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        _, task = bench.ask()
        await asyncio.sleep(0)
        for _ in range(10):
            bench.child.stdout.feed_data(b"x" * 1000)
            await asyncio.sleep(0)
        with pytest.raises(Lost, match="without an end"):
            await task

    run(tmp_path, scenario)


def answering(bench: Bench, answers: dict[str, Any], order: list[str] | None = None) -> None:
    """Answers the openings as told: a result, an error code, or not until all are asked."""
    waiting: dict[str, dict[str, Any]] = {}

    def on_write(message: dict[str, Any]) -> None:
        method = message.get("method", "")
        if method not in answers:
            return
        waiting[method] = message
        if order is not None and set(waiting) != set(order):
            return
        for name in order or [method]:
            answer = answers[name]
            part = {"error": {"code": answer, "message": "no"}} if isinstance(answer, int) else {
                "result": answer}  # fmt: skip
            bench.child.out({"id": waiting[name]["id"], **part})

    bench.child.on_write = on_write


@pytest.mark.parametrize(
    ("answers", "hint", "era", "asked"),
    [
        ({"server/discover": MODERN}, None, Era.MODERN, ["server/discover", "subscriptions/listen"]),
        ({"server/discover": MODERN}, Era.MODERN, Era.MODERN, None),
        ({"server/discover": -32601, "initialize": LEGACY}, None, Era.LEGACY, None),
        ({"server/discover": {}, "initialize": LEGACY}, None, Era.LEGACY, None),
        ({"initialize": LEGACY}, Era.LEGACY, Era.LEGACY, ["initialize", "notifications/initialized"]),
    ],
)  # fmt: skip
def test_the_opening_finds_the_era(
    tmp_path: Path, answers: dict[str, Any], hint: Era | None, era: Era, asked: list[str] | None
) -> None:
    async def scenario(bench: Bench) -> None:
        answering(bench, answers)
        peer = await bench.link.open(hint)
        await asyncio.sleep(0)
        assert peer is bench.link.peer
        assert peer.era is era
        if asked is not None:
            assert [message.get("method") for message in bench.child.written] == asked

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("answers", "order", "era"),
    [
        ((MODERN, -32022), ["server/discover", "initialize"], Era.MODERN),
        ((MODERN, -32022), ["initialize", "server/discover"], Era.MODERN),
        ((-32601, LEGACY), ["server/discover", "initialize"], Era.LEGACY),
        ((-32601, LEGACY), ["initialize", "server/discover"], Era.LEGACY),
    ],
)
def test_whichever_opening_a_slow_child_answers_counts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[Any, Any],
    order: list[str],
    era: Era,
) -> None:
    monkeypatch.setattr(stdio_link, "DISCOVER_SECONDS", 0.01)

    async def scenario(bench: Bench) -> None:
        answering(bench, {"server/discover": answers[0], "initialize": answers[1]}, order)
        assert (await bench.link.open(None)).era is era

    run(tmp_path, scenario)


def test_a_child_that_answers_neither_opening_is_refused(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        answering(bench, {"server/discover": -32601, "initialize": -32601})
        with pytest.raises(WireError, match="-32601"):
            await bench.link.open(None)

    run(tmp_path, scenario)


def test_a_child_that_dies_of_the_modern_question_is_recognised(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        def die(_message: dict[str, Any]) -> None:
            bench.child.has_exited.set()
            bench.child.stdout.feed_eof()

        bench.child.on_write = die
        with pytest.raises(Lost):
            await bench.link.open(None)
        assert bench.link.died_of_discover

    run(tmp_path, scenario)


def test_changes_are_announced_and_requests_answered(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.child.out({"method": "notifications/tools/list_changed"}, {"id": 5, "method": "ping"})
        await asyncio.sleep(0.01)
        assert bench.changes == 1
        assert bench.child.written == [{"jsonrpc": "2.0", "id": 5, "result": {}}]

    run(tmp_path, scenario)
