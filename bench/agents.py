"""The load that wrk cannot make: agents that read streams and answer what they are asked.

A program of its own, so that it can be pinned and its CPU time be told apart. It reads lines of
JSON: first a Job, then a Turn for each time that it is to make load; after the Job it prints
`ready`, after each Turn a Summary.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from wire import Wire, WireError, connect

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
MARKER = b"bench-ok"
REPORTS = 100
QUESTION = b'"elicitation/create"'
ANSWER = {"action": "accept", "content": {"sure": True}}
CLIENT = {"name": "bench", "version": "1"}
ACCEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
DECLARED: Mapping[str, Any] = {"elicitation": {"form": {}}}
FAILED_SECONDS = 0.05  # after a failure, so that a peer that refuses is not flooded
AMOUNTS = 9973  # below what the policies of every peer under test let through
AMOUNT_BACK = re.compile(rb'"amount":\s*(\d+)')


@dataclass(frozen=True)
class Job:
    """`shape`: plain, report (100 progress events) or confirm (one question to the user)."""

    url: str
    era: str
    shape: str
    tool: str
    headers: Mapping[str, str]
    connections: int


@dataclass(frozen=True)
class Turn:
    """Calls begin for so long; those that are still under way then have `patience` to end."""

    seconds: float
    patience: float


@dataclass
class Summary:
    """`wrong`: replies that are no result; `broken`: exchanges that were not finished."""

    calls: int = 0
    wrong: int = 0
    broken: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    own_cpu_seconds: float = 0.0
    sample: str = ""


class WrongError(Exception):
    """A reply that is not what was asked for; the message shows it."""


@dataclass
class Tally:
    durations: list[float] = field(default_factory=list)
    wrong: int = 0
    broken: int = 0
    sample: str = ""

    def note(self, problem: Exception) -> None:
        if isinstance(problem, WrongError):
            self.wrong += 1
        else:
            self.broken += 1
        self.sample = self.sample or f"{type(problem).__name__}: {problem}"[:400]


class Agent:
    """One client: a connection for its calls, and one for its answers where it has to give any."""

    def __init__(self, job: Job, number: int) -> None:
        self.job = job
        self.number = number * 1_000_000
        self.calls: Wire | None = None
        self.answers: Wire | None = None
        self.session: dict[str, str] = {}
        self.head = b""

    async def open(self) -> None:
        if self.job.era == "legacy":
            await self.open_session()
            self.head = self.head_with(self.session)
        else:
            routing = {"Mcp-Method": "tools/call", "Mcp-Name": self.job.tool}
            self.head = self.head_with({"MCP-Protocol-Version": MODERN, **routing})

    async def open_session(self) -> None:
        head = self.head_with({})
        params = {"protocolVersion": LEGACY, "capabilities": DECLARED, "clientInfo": CLIENT}
        wire = await self.exchange(head, request(0, "initialize", params))
        version = last_message(wire).get("result", {}).get("protocolVersion")
        if version is None:
            raise WrongError(f"initialize: {shown(wire)}")
        self.session = {"MCP-Protocol-Version": version}
        session_id = wire.header(b"mcp-session-id").decode()
        if session_id:
            self.session["Mcp-Session-Id"] = session_id
        done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self.exchange(self.head_with(self.session), json.dumps(done).encode())

    def head_with(self, headers: Mapping[str, str]) -> bytes:
        place = urlsplit(self.job.url)
        lines = [f"POST {place.path} HTTP/1.1", f"Host: {place.netloc}"]
        lines += [f"{k}: {v}" for k, v in {**ACCEPT, **self.job.headers, **headers}.items()]
        return "\r\n".join([*lines, "Content-Length: "]).encode()

    async def exchange(self, head: bytes, body: bytes, mark: bytes | None = None) -> Wire:
        if self.calls is None or not self.calls.is_open:
            self.calls = await connect(self.job.url)
        self.calls.send(head + b"%d\r\n\r\n" % len(body) + body)
        await self.calls.until(mark)
        return self.calls

    async def call(self) -> None:
        """One call as its shape has it. Raises WrongError unless the result belongs to it."""
        self.number += 1
        amount = 1 + self.number % AMOUNTS
        if self.job.shape == "confirm":
            confirm = self.confirm_modern if self.job.era == "modern" else self.confirm_legacy
            await confirm(amount)
            return
        token = f"bench-{self.number}-p" if self.job.shape == "report" else ""
        wire = await self.exchange(self.head, self.call_body(amount, token=token))
        if token and (seen := wire.body.count(token.encode())) != REPORTS:
            raise WrongError(f"{seen} of {REPORTS} progress events: {shown(wire)}")
        check_result(wire, amount)

    def call_body(self, amount: int, token: str = "", **more: Any) -> bytes:
        note = "asked for by the customer on the phone"
        arguments = {"customer": "c-1001", "note": note, "amount": amount}
        meta: dict[str, Any] = {"progressToken": token} if token else {}
        if self.job.era == "modern":
            meta["io.modelcontextprotocol/protocolVersion"] = MODERN
            meta["io.modelcontextprotocol/clientInfo"] = CLIENT
            meta["io.modelcontextprotocol/clientCapabilities"] = DECLARED
        if meta:
            more["_meta"] = meta
        params = {"name": self.job.tool, "arguments": arguments, **more}
        return request(self.number, "tools/call", params)

    async def confirm_modern(self, amount: int) -> None:
        wire = await self.exchange(self.head, self.call_body(amount))
        result = last_message(wire).get("result") or {}
        asked = result.get("inputRequests")
        if result.get("resultType") != "input_required" or not asked:
            raise WrongError(f"not asked: {shown(wire)}")
        for question in asked.values():
            check_question(question, amount)
        more: dict[str, Any] = {"inputResponses": {key: ANSWER for key in asked}}
        if "requestState" in result:
            more["requestState"] = result["requestState"]
        self.number += 1  # the retry is a request of its own
        check_result(await self.exchange(self.head, self.call_body(amount, **more)), amount)

    async def confirm_legacy(self, amount: int) -> None:
        wire = await self.exchange(self.head, self.call_body(amount), QUESTION)
        if wire.is_complete:
            raise WrongError(f"not asked: {shown(wire)}")
        question = next((each for each in messages(wire.body) if "method" in each), {})
        check_question(question, amount)
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": ANSWER}
        await self.send_answer(json.dumps(answer).encode())
        await wire.until()
        check_result(wire, amount)

    async def send_answer(self, body: bytes) -> None:
        if self.answers is None or not self.answers.is_open:
            self.answers = await connect(self.job.url)
        self.answers.send(self.head + b"%d\r\n\r\n" % len(body) + body)
        await self.answers.until()
        if self.answers.status != 202:
            raise WrongError(f"the answer was not taken: {shown(self.answers)}")

    def drop(self) -> None:
        """After a failed exchange: what is still to come must not be taken for the next reply."""
        for wire in (self.calls, self.answers):
            if wire is not None:
                wire.close()
        self.calls = self.answers = None


def request(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message, separators=(",", ":")).encode()


def check_question(question: Mapping[str, Any], amount: int) -> None:
    text = str(question.get("params", {}).get("message"))
    if question.get("method") != "elicitation/create" or str(amount) not in text:
        raise WrongError(f"asked something else: {question}")


def check_result(wire: Wire, amount: int) -> None:
    """The marker is in every real result; the amount in those that keep structured content."""
    back = AMOUNT_BACK.search(wire.body)
    is_same = back is None or int(back[1]) == amount
    if wire.status != 200 or MARKER not in wire.body or not is_same:
        raise WrongError(shown(wire))


def messages(body: bytearray) -> list[dict[str, Any]]:
    """What an event stream has carried so far; the last event may still be incomplete."""
    lines = bytes(body).replace(b"\r\n", b"\n").rpartition(b"\n\n")[0].split(b"\n")
    texts = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return [json.loads(text) for text in texts if text]


def last_message(wire: Wire) -> dict[str, Any]:
    try:
        if wire.header(b"content-type").startswith(b"text/event-stream"):
            return messages(wire.body)[-1]
        message: dict[str, Any] = json.loads(wire.body)
    except (ValueError, IndexError) as problem:
        raise WrongError(shown(wire)) from problem
    return message


def shown(wire: Wire) -> str:
    """The end says more of a stream, the beginning of anything else."""
    text = bytes(wire.body).decode(errors="replace")
    return f"{wire.status} {' '.join((text if len(text) < 700 else text[-300:]).split())}"


async def run_turn(agents: list[Agent], turn: Turn) -> Summary:
    tally = Tally()
    cpu_before, started_at = time.process_time(), time.perf_counter()
    deadline = started_at + turn.seconds
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep_calling(each, deadline, tally)) for each in agents]
        _, unfinished = await asyncio.wait(tasks, timeout=turn.seconds + turn.patience)
        for task in unfinished:
            task.cancel()
    ended_at = time.perf_counter()
    durations = sorted(tally.durations) or [0.0]
    return Summary(
        calls=len(tally.durations),
        wrong=tally.wrong,
        broken=tally.broken + len(unfinished),
        seconds=ended_at - started_at,
        p50_ms=statistics.median(durations) * 1e3,
        p99_ms=durations[int(len(durations) * 0.99)] * 1e3,
        own_cpu_seconds=time.process_time() - cpu_before,
        sample=tally.sample or ("no reply in time" if unfinished else ""),
    )


async def keep_calling(agent: Agent, deadline: float, tally: Tally) -> None:
    """At least one call, however long it takes: a slow peer is measured too."""
    while True:
        started_at = time.perf_counter()
        try:
            await agent.call()
            tally.durations.append(time.perf_counter() - started_at)
        except (WrongError, WireError, OSError) as problem:
            tally.note(problem)
            agent.drop()
            await asyncio.sleep(FAILED_SECONDS)
        except asyncio.CancelledError:
            agent.drop()
            raise
        if time.perf_counter() >= deadline:
            return


async def main() -> None:
    """Between turns it only waits for the next line: nothing else happens meanwhile."""
    job = Job(**json.loads(sys.stdin.readline()))
    agents = [Agent(job, number) for number in range(1, job.connections + 1)]
    for agent in agents:
        await agent.open()
    print("ready", flush=True)
    for line in sys.stdin:
        summary = await run_turn(agents, Turn(**json.loads(line)))
        print(json.dumps(asdict(summary)), flush=True)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
