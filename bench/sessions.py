"""What idle sessions of the legacy era cost Callgate: 1,000 of them, without and with a stream."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import conversation
from contestant import Folders
from load import wait_until_idle
from peers.peer import Peer, Room, Running
from processes import cpu_seconds, resident_bytes
from target import TOOL_COUNT, Target, start_target

SESSIONS = 1000
WARM_UP_SESSIONS = 50
WARM_UP_CALLS = 1000
IDLE_SECONDS = 3.0
FREED_SECONDS = 10.0
CALL_TIMEOUT_SECONDS = 60.0
LIMIT_KB = 20.0

numbers = itertools.count(1)


@dataclass(frozen=True)
class Idle:
    """`at_target`: sessions that the gateway keeps there, and how many after all were ended."""

    target_era: str
    has_streams: bool
    failure: str = ""
    before_bytes: int = 0
    after_bytes: int = 0
    idle_cpu_share: float = 0.0
    at_target: int = 0
    at_target_after_end: int = 0

    @property
    def kb_per_session(self) -> float:
        return (self.after_bytes - self.before_bytes) / SESSIONS / 1e3


@dataclass
class Line:
    """One kept connection of a client that opens sessions one after the other."""

    running: Running
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        place = urlsplit(self.running.url)
        self.connection = http.client.HTTPConnection(
            place.hostname or "", place.port, timeout=CALL_TIMEOUT_SECONDS
        )

    def send(
        self, message: Mapping[str, Any] | None, headers: Mapping[str, str], verb: str = "POST"
    ) -> conversation.Reply:
        body = json.dumps(message).encode() if message is not None else None
        all_headers = {**conversation.ACCEPT, **self.running.headers, **headers}
        self.connection.request(verb, urlsplit(self.running.url).path, body, all_headers)
        reply = self.connection.getresponse()
        text = reply.read().decode()
        if reply.status not in (200, 202, 204):
            raise conversation.ReplyError(f"{verb}: {reply.status} {text[:300]}")
        return conversation.Reply(reply.status, dict(reply.getheaders()), text)

    def open_session(self) -> dict[str, str]:
        """As a client does that then has nothing to do: initialize, initialized, one call."""
        session = self.initialize()
        self.call(session)
        return session

    def initialize(self) -> dict[str, str]:
        params = {
            "protocolVersion": conversation.LEGACY,
            "capabilities": {"elicitation": {}},
            "clientInfo": conversation.CLIENT,
        }
        reply = self.send(conversation.request("initialize", params), {})
        names = {name.lower(): value for name, value in reply.headers.items()}
        session = {
            "MCP-Protocol-Version": reply.message()["result"]["protocolVersion"],
            "Mcp-Session-Id": names["mcp-session-id"],
        }
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
        return session

    def call(self, session: Mapping[str, str]) -> None:
        arguments = {"customer": "c-1001", "amount": next(numbers), "note": "called once"}
        params = {"name": self.running.tool, "arguments": arguments}
        reply = self.send(conversation.request("tools/call", params), session)
        if conversation.MARKER not in reply.body:
            raise conversation.ReplyError(f"not a result: {reply.status} {reply.body[:500]}")

    def end(self, session: Mapping[str, str]) -> None:
        self.send(None, session, "DELETE")


def examine(peer: Peer, folders: Folders) -> list[Idle]:
    found = []
    for era in ("modern", "legacy"):
        for has_streams in (False, True):
            one = examine_one(peer, folders, era, has_streams)
            print(f"  {in_a_line(one)}", flush=True)
            found.append(one)
    return found


def examine_one(peer: Peer, folders: Folders, era: str, has_streams: bool) -> Idle:
    scratch = folders.scratch(f"sessions {era} {has_streams}")
    target, running = None, None
    try:
        peer.prepare(folders.venvs)
        target = start_target(folders.venvs, scratch, TOOL_COUNT, era)
        running = peer.start(Room(folders.venvs, scratch, target))
        return measure(running, target, has_streams)
    except Exception as problem:
        return Idle(era, has_streams, f"{type(problem).__name__}: {problem}")
    finally:
        if running is not None:
            running.stop()
        if target is not None:
            target.stop()


def measure(running: Running, target: Target, has_streams: bool) -> Idle:
    line, pid = Line(running), running.process.pid
    warm_up(line)
    wait_until_idle(pid)
    at_target, before = target.sessions_open(), resident_bytes(pid)
    sessions = [line.open_session() for _ in range(SESSIONS)]
    streams = [open_stream(running, each) for each in sessions] if has_streams else []
    try:
        wait_until_idle(pid)
        after = resident_bytes(pid)
        opened = target.sessions_open() - at_target
        share = idle_share(pid)
    finally:
        for stream in streams:
            stream.close()
    for each in sessions:
        line.end(each)
    left = sessions_left(target, at_target)
    return Idle(target.eras, has_streams, "", before, after, share, opened, left)


def warm_up(line: Line) -> None:
    """So that what is loaded or filled once is not taken for the cost of sessions."""
    sessions = [line.open_session() for _ in range(WARM_UP_SESSIONS)]
    for _ in range(WARM_UP_CALLS):
        line.call(sessions[0])
    for each in sessions:
        line.end(each)


def open_stream(running: Running, session: Mapping[str, str]) -> socket.socket:
    """The GET stream of a session; returns when its head is there. Raises ReplyError."""
    place = urlsplit(running.url)
    lines = [f"GET {place.path} HTTP/1.1", f"Host: {place.netloc}", "Accept: text/event-stream"]
    lines += [f"{name}: {value}" for name, value in {**running.headers, **session}.items()]
    stream = socket.create_connection((place.hostname, place.port), CALL_TIMEOUT_SECONDS)
    stream.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = stream.recv(4096)
        if not part:
            break
        head += part
    if not head.startswith(b"HTTP/1.1 200"):
        stream.close()
        raise conversation.ReplyError(f"GET: {head[:300]!r}")
    return stream


def idle_share(pid: int) -> float:
    """Of one core, while nothing is asked."""
    before, started_at = cpu_seconds(pid), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    return (cpu_seconds(pid) - before) / (time.perf_counter() - started_at)


def sessions_left(target: Target, at_first: int) -> int:
    """At the target, after the clients have ended theirs; the gateway ends its own soon after."""
    deadline = time.monotonic() + FREED_SECONDS
    while (left := target.sessions_open() - at_first) > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    return max(left, 0)


def in_a_line(one: Idle) -> str:
    streams = "with" if one.has_streams else "without"
    start = f"{SESSIONS:,} idle sessions {streams} GET streams, {one.target_era} target: "
    if one.failure:
        return start + one.failure
    return start + (
        f"{one.kb_per_session:.1f} KB each, {one.idle_cpu_share:.1%} of a core, "
        f"{one.at_target} at the target, {one.at_target_after_end} after they were ended"
    )


def section(found: list[Idle]) -> str:
    if not found:
        return ""
    lines = [
        f"## {SESSIONS:,} idle sessions",
        "",
        "Legacy clients: each opens a session (`initialize`, `notifications/initialized`), calls a",
        "tool once and does nothing more; with a stream, it also keeps `GET /mcp` open. Memory is",
        "the resident set size of the gateway, which has served 1,000 calls and 50 sessions before",
        "the first figure. Before a legacy target the gateway keeps a session there for each.",
        "",
        "| target | GET stream | MB before | MB after | KB per session | CPU while idle "
        "| sessions at the target | after they ended |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        cells = [one.target_era, "yes" if one.has_streams else "no"]
        if one.failure:
            cells += [f"not measured: {one.failure}", *[""] * 5]
        else:
            cells += [f"{one.before_bytes / 1e6:.1f}", f"{one.after_bytes / 1e6:.1f}"]
            cells += [f"{one.kb_per_session:.1f}", f"{one.idle_cpu_share:.1%}"]
            cells += [f"{one.at_target:,}", f"{one.at_target_after_end:,}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def worst_kb(found: list[Idle]) -> float | None:
    """Of sessions that do nothing: with a stream, much of it is the connection's."""
    values = [one.kb_per_session for one in found if not one.failure and not one.has_streams]
    return max(values) if values else None
