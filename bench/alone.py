"""What only Callgate is asked: a long tool list, and the memory of many tools and sessions."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import conversation
from contestant import Folders
from peers.peer import Peer, Room, Running
from processes import memory_bytes
from target import start_target

TOOLS = 1000
SESSIONS = 100
LISTS = 50
WARM_UP_LISTS = 5


@dataclass(frozen=True)
class Alone:
    """`failure` is empty if all of it could be measured."""

    failure: str = ""
    tools: int = 0
    sessions: int = SESSIONS
    list_first_ms: float = 0.0
    list_p50_ms: float = 0.0
    list_max_ms: float = 0.0
    memory_bytes: int = 0


def examine(peer: Peer, folders: Folders) -> Alone:
    scratch = folders.scratch(f"{peer.name} alone")
    try:
        peer.prepare(folders.venvs)
        target = start_target(folders.venvs, scratch, TOOLS)
    except Exception as problem:
        return Alone(f"{type(problem).__name__}: {problem}")
    running = None
    try:
        running = peer.start(Room(folders.venvs, scratch, target))
        return measure(running)
    except Exception as problem:
        return Alone(f"{type(problem).__name__}: {problem}")
    finally:
        if running is not None:
            running.stop()
        target.stop()


def measure(running: Running) -> Alone:
    conversation.check_call(conversation.ready_for_load(running))
    headers = {**conversation.routing_headers("tools/list"), **running.headers}
    started_at = time.perf_counter()
    tools = conversation.list_tools(running, headers)
    list_first_ms = (time.perf_counter() - started_at) * 1e3
    if len(tools) != TOOLS:
        raise conversation.ReplyError(f"tools/list gave {len(tools)} of {TOOLS} tools")
    durations = list_durations_ms(running, headers)
    open_sessions(running)
    return Alone(
        tools=len(tools),
        list_first_ms=list_first_ms,
        list_p50_ms=statistics.median(durations),
        list_max_ms=max(durations),
        memory_bytes=memory_bytes(running.process.pid),
    )


def list_durations_ms(running: Running, headers: dict[str, str]) -> list[float]:
    """One kept connection, one request after the other; the first few are not counted."""
    address = urlsplit(running.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    durations = []
    for _ in range(WARM_UP_LISTS + LISTS):
        message = conversation.request("tools/list", {"_meta": conversation.META})
        body = json.dumps(message).encode()
        started_at = time.perf_counter()
        connection.request("POST", address.path, body, {**conversation.ACCEPT, **headers})
        reply = connection.getresponse()
        whole = reply.read()
        durations.append((time.perf_counter() - started_at) * 1e3)
        if reply.status != 200 or b'"result"' not in whole:
            raise conversation.ReplyError(f"tools/list: {reply.status} {whole[:300]!r}")
    connection.close()
    return durations[WARM_UP_LISTS:]


def open_sessions(running: Running) -> None:
    """Each lists the tools and calls one, as a client does; none is closed."""
    for _ in range(SESSIONS):
        session = conversation.open_session(running.url, running.headers)
        in_session = conversation.in_session(running, session)
        conversation.list_tools(in_session, in_session.headers)
        conversation.check_call(in_session)
