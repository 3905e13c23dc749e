"""The lines of a child: each message is heard, however the bytes arrive, and junk is borne."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from callgate.model import NOTHING
from callgate.protocol.outbound import WireError
from callgate.upstream.audience import Audience
from callgate.upstream.child import Child, OutputLog
from callgate.upstream.duplex import Asked, Terms
from callgate.upstream.faults import Lost
from callgate.upstream.session import Changes
from callgate.upstream.stdio_link import MAX_JUNK_LINES, StdioLink
from callgate.upstream.tasks import Tasks
from fakes.duplex import LEGACY
from fakes.store import until


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
    def __init__(self, directory: Path) -> None:
        self.child = FakeChild()
        self.ids = count(1)
        self.log = OutputLog(directory / "x.log", 1000)
        self.tasks = Tasks()
        terms = Terms(Audience(self.tasks), Changes(), lambda: next(self.ids), NOTHING)
        self.link = StdioLink(cast(Child, self.child), self.log, terms, max_line_bytes=1000)
        self.link.features = LEGACY

    def ask(self) -> tuple[int, asyncio.Task[Any]]:
        number = next(self.ids)
        body = json.dumps({"id": number, "method": "x"}).encode()
        return number, asyncio.ensure_future(self.link.ask(Asked(number), body))


def run(directory: Path, scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def whole() -> None:
        bench = Bench(directory)
        async with asyncio.timeout(30):
            await scenario(bench)
        await bench.link.close()
        await bench.tasks.close()
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


def test_a_large_message_that_answers_nothing_fails_nobody(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        number, task = bench.ask()
        await asyncio.sleep(0)
        params = {"data": {"id": number, "x": "y" * 2000}}
        bench.child.out({"method": "notifications/message", "params": params})
        bench.child.out({"id": number, "result": {}})
        await task

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":%d,"result":{"n":NaN}}',
        b'{"result":{"id":0,"n":1e9,"text":"\\ud800"},"id":%d}',
        b'{"id":%d,"result":{"text":"\xff"}}',
        b'[{"id":%d,"result":{}}]',
    ],
)
def test_an_answer_that_cannot_be_read_fails_its_own_request(tmp_path: Path, line: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        (number, odd), (other, fine) = bench.ask(), bench.ask()
        await asyncio.sleep(0)
        bench.child.stdout.feed_data(b'{"method":"x","params":{"id":%d,"n":NaN}}\n' % other)
        bench.child.stdout.feed_data(line % number + b"\n")
        with pytest.raises(WireError, match="not a JSON-RPC message"):
            await odd
        bench.child.out({"id": other, "result": {}})
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


def test_what_the_child_asks_is_answered_on_its_input(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        bench.child.out({"id": 5, "method": "ping"})
        await until(lambda: bool(bench.child.written))
        assert bench.child.written == [{"jsonrpc": "2.0", "id": 5, "result": {}}]

    run(tmp_path, scenario)
