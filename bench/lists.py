"""Listing through 20 targets at once, half of them of each era: what Callgate takes for it."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import conversation
from contestant import Folders
from load import wait_until_idle
from peers import callgate
from peers.peer import Running
from processes import cpu_seconds
from target import TOOL_COUNT, start_target

TARGETS_PER_ERA = 10
ITEMS = 10
EXPECTED = 2 * TARGETS_PER_ERA * ITEMS
LISTS = {"tools/list": "tools", "resources/list": "resources", "prompts/list": "prompts"}
WARM_UP = 5
COUNT = 50
CALL_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Listed:
    """One list method, as a client of one era asks for it."""

    era: str
    method: str
    items: int
    first_ms: float
    p50_ms: float
    max_ms: float
    cpu_ms: float


@dataclass
class Lists:
    """What was found, and why not all of it, if so."""

    found: list[Listed] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass
class Asker:
    """One kept connection to the gateway."""

    running: Running
    session: dict[str, str] | None  # None: the modern era

    def __post_init__(self) -> None:
        place = urlsplit(self.running.url)
        self.connection = http.client.HTTPConnection(
            place.hostname or "", place.port, timeout=CALL_TIMEOUT_SECONDS
        )

    def ask(self, method: str) -> tuple[float, list[Any]]:
        """How long the list took, in milliseconds, and its items."""
        params: dict[str, Any] = {} if self.session is not None else {"_meta": conversation.META}
        headers = {**conversation.ACCEPT, **self.running.headers}
        own = self.session if self.session is not None else conversation.routing_headers(method)
        body = json.dumps(conversation.request(method, params)).encode()
        started_at = time.perf_counter()
        self.connection.request("POST", urlsplit(self.running.url).path, body, {**headers, **own})
        reply = self.connection.getresponse()
        text = reply.read().decode()
        took_ms = (time.perf_counter() - started_at) * 1e3
        message = conversation.Reply(reply.status, {}, text).message()
        if "result" not in message:
            raise conversation.ReplyError(f"{method}: {reply.status} {text[:300]}")
        items: list[Any] = message["result"][LISTS[method]]
        return took_ms, items


def examine(folders: Folders) -> Lists:
    lists = Lists()
    for era in ("modern", "legacy"):
        try:
            lists.found += examine_era(folders, era)
        except Exception as problem:
            lists.failures.append(f"{era} client: {type(problem).__name__}: {problem}")
    return lists


def examine_era(folders: Folders, era: str) -> list[Listed]:
    """With a gateway of its own, so that the first of each list is the first."""
    scratch = folders.scratch(f"lists {era}")
    started: list[Any] = []
    try:
        targets = {}
        for target_era in ("modern", "legacy"):
            stub = start_target(folders.venvs, scratch, TOOL_COUNT, target_era, ITEMS)
            started.append(stub)
            for number in range(1, TARGETS_PER_ERA + 1):
                name = f"{target_era}{number:02d}"
                targets[name] = f"{stub.url}/{name}"
        peer = callgate.with_lists(list(targets))
        running = peer.start_before(targets, scratch)
        started.append(running)
        return measure(running, era)
    finally:
        for each in reversed(started):
            each.stop()


def measure(running: Running, era: str) -> list[Listed]:
    session = None
    if era == "legacy":
        session = conversation.open_session(running.url, running.headers)
    asker = Asker(running, session)
    first = {method: asker.ask(method) for method in LISTS}
    found = []
    for method, (first_ms, items) in first.items():
        if len(items) != EXPECTED:
            raise conversation.ReplyError(f"{method} gave {len(items)} of {EXPECTED}")
        for _ in range(WARM_UP):
            asker.ask(method)
        wait_until_idle(running.process.pid)
        cpu_before = cpu_seconds(running.process.pid)
        durations = [asker.ask(method)[0] for _ in range(COUNT)]
        cpu_ms = (cpu_seconds(running.process.pid) - cpu_before) * 1e3 / COUNT
        one = Listed(
            era,
            method,
            len(items),
            first_ms,
            statistics.median(durations),
            max(durations),
            cpu_ms,
        )
        print(f"  {in_a_line(one)}", flush=True)
        found.append(one)
    return found


def in_a_line(one: Listed) -> str:
    return (
        f"{one.method}, {one.era} client: {one.items} items, first {one.first_ms:.1f} ms, "
        f"p50 {one.p50_ms:.1f} ms, slowest {one.max_ms:.1f} ms, CPU {one.cpu_ms:.1f} ms"
    )


def section(lists: Lists) -> str:
    count = 2 * TARGETS_PER_ERA
    lines = [
        f"## Lists through {count} targets",
        "",
        f"One gateway, {count} targets behind it, {TARGETS_PER_ERA} of each era, each with "
        f"{TOOL_COUNT} tools,",
        f"{ITEMS} resources and {ITEMS} prompts; {EXPECTED + 1} policies. One client that asks on",
        "the route of all targets, one list after the other. First: of a gateway that has just",
        f"started, tools before resources before prompts. Warm: {COUNT} lists.",
        "",
        "| client | list | items | first ms | warm p50 ms | slowest ms | warm CPU ms |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for one in lists.found:
        lines.append(
            f"| {one.era} | `{one.method}` | {one.items} | {one.first_ms:.1f} | "
            f"{one.p50_ms:.1f} | {one.max_ms:.1f} | {one.cpu_ms:.1f} |"
        )
    lines += [f"\nNot measured: {failure}" for failure in lists.failures]
    return "\n".join([*lines, ""])
