"""Clients that call all the time, a target that notes what it does, and the record held to both."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from callgate.audit.record import INTERRUPTED
from callgate.cli import commands
from callgate.protocol.refusals import META_KEY
from callgate.storage.blobs.opening import reader_of
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings
from fakes.running import Running

ACTS = '''
import os

_NOTES = os.open("executed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def act(name: str) -> str:
    """Does something that can be seen."""
    os.write(_NOTES, f"{name}\\n".encode())
    return f"did {name}"
'''
# The same in a process of its own, which outlives a gateway that is killed by a moment.
SERVER = (
    ACTS
    + """
from mcp.server.mcpserver import MCPServer

server = MCPServer("acts")
server.tool()(act)
server.run("stdio")
"""
)
PERMIT = '@id("all") permit(principal, action, resource);'
DONE = "done"
GONE = "gone"  # no answer: the gateway died, or its connection did
CALLERS = 6


class Load:
    """What clients asked for by which name, and what they were answered."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self._news = threading.Condition()
        self._enough = threading.Event()

    def call(self, gateway: Running, name: str) -> str:
        """`done`, the code of the refusal, or `gone`."""
        try:
            status, answer = gateway.call("acts___act", name=name)
        except OSError:
            code = GONE
        else:
            result: Any = answer["result"]
            is_done = status == 200 and not result.get("isError")
            code = DONE if is_done else str(result["_meta"][META_KEY]["code"])
        with self._news:
            self.answers[name] = code
            self._news.notify_all()
        return code

    @contextmanager
    def on(self, gateway: Running, life: str) -> Iterator[None]:
        """Clients call until the end of the block, or of the gateway."""
        self._enough.clear()
        callers = [
            threading.Thread(target=self._call_on, args=(gateway, f"{life}-{number}"))
            for number in range(CALLERS)
        ]
        for caller in callers:
            caller.start()
        try:
            yield
        finally:
            self._enough.set()
            for caller in callers:
                caller.join()

    def await_more(self, code: str, number: int) -> None:
        """Returns when so many more calls were answered so."""
        with self._news:
            wanted = self.count(code) + number
            found = self._news.wait_for(lambda: self.count(code) >= wanted, timeout=120)
            assert found, (code, Counter(self.answers.values()))

    def count(self, code: str) -> int:
        return sum(answer == code for answer in self.answers.values())

    def _call_on(self, gateway: Running, prefix: str) -> None:
        number = 0
        while not self._enough.is_set():
            code = self.call(gateway, f"{prefix}-{number}")
            if code == GONE and gateway.process.poll() is not None:
                return
            if code != DONE:
                self._enough.wait(0.02)
            number += 1


def executed(directory: Path) -> list[str]:
    """What the target says that it did."""
    file = directory / "executed.txt"
    return file.read_text().split("\n")[:-1] if file.exists() else []


class Recorded:
    """All that one record, or the parts of one that was replaced, tells of calls to the target."""

    def __init__(self, *places: StoreSettings) -> None:
        self.intents: dict[str, list[str]] = {}  # name → ids
        self.outcomes: dict[str, list[dict[str, Any]]] = {}  # id → outcomes
        self.names: dict[str, str] = {}  # id → name
        self._places: dict[tuple[str, str], tuple[int, int]] = {}
        for place in places:
            for _, entry in Records(place, reader_of(place)).scan({}):
                self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "event" or entry.get("tool") != "act":
            return
        call = str(entry["call"])
        if "arguments" in entry:
            self.names[call] = entry["arguments"]["name"]
        if entry["kind"] == "intent":
            self.intents.setdefault(self.names[call], []).append(call)
        else:
            self.outcomes.setdefault(call, []).append(entry)

    def differs(self, done: Sequence[str], answers: dict[str, str]) -> list[str]:
        """Where it is not what the target did and what the clients were answered: in words."""
        found: list[str] = []
        noted = set(done)
        found += [f"{name}: executed twice" for name, n in Counter(done).items() if n > 1]
        found += [f"{name}: executed without an intent" for name in noted - self.intents.keys()]
        ids = {call for calls in self.intents.values() for call in calls}
        for name, calls in self.intents.items():
            if len(calls) > 1:
                found.append(f"{name}: {len(calls)} intents")
        for call in ids | self.outcomes.keys():
            ended = self.outcomes.get(call, [])
            if len(ended) != 1:
                found.append(f"{self.names[call]}: {len(ended)} outcomes")
            for outcome in ended:
                found += self._wrong(self.names[call], outcome, noted, answers)
        told = {self.names[call] for call in self.outcomes}
        for name, answer in answers.items():
            if answer == DONE and name not in told:
                found.append(f"{name}: delivered, and nothing is told of it")
        return found

    @staticmethod
    def _wrong(
        name: str, outcome: dict[str, Any], noted: set[str], answers: dict[str, str]
    ) -> Iterator[str]:
        ran, code = outcome["ran"], outcome["code"]
        if ran == "yes" and name not in noted:
            yield f"{name}: is said to have run, and did not"
        if ran == "no" and name in noted:
            yield f"{name}: is said not to have run ({code}), and did"
        if code == INTERRUPTED and ran != "unknown":
            yield f"{name}: interrupted, and ran: {ran}"
        answer = answers.get(name, GONE)
        if answer == DONE and code not in ("ok", INTERRUPTED):
            yield f"{name}: delivered, and recorded as {code}"
        if answer == DONE and code == "ok" and not outcome["delivered"]:
            yield f"{name}: delivered, and recorded as not delivered"
        if answer not in (DONE, GONE, code) and code != INTERRUPTED:
            yield f"{name}: answered {answer}, and recorded as {code}"


def command(directory: Path, *arguments: str) -> str:
    """What a command prints that is run there: in this process, which knows all modules already."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        done = CliRunner().invoke(commands, arguments)
    finally:
        os.chdir(before)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.stdout


def read_every_way(directory: Path) -> list[dict[str, Any]]:
    """All calls, as the commands tell them; each kind of end explained, the last run reviewed."""
    lines = command(directory, "calls", "--json", "--limit", "10000").splitlines()
    calls: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for one in {call["code"]: call["call"] for call in calls}.values():
        assert one in command(directory, "explain", one)
    assert command(directory, "review", "--last")
    assert "hold" in command(directory, "audit", "verify")
    return calls
