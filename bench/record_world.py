"""A record of many calls, generated: who calls what is as skewed as it is in life."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import create_engine, insert

from callgate.audit.merkle import leaf_hash
from callgate.audit.place import position
from callgate.audit.record import Entry, rfc3339
from callgate.storage.schema import REVISION, logs, metadata, records

BEGIN = 1_780_000_000.0
EVERY_SECONDS = 0.2  # a call, on the mean
AT_ONCE = 20_000  # rows in one transaction
encode = msgspec.json.encode

TARGETS = ("git", "shop", "files", "mail", "bank", "crm", "web", "calendar", "db", "wiki")
CODES = (
    ("ok", 930), ("not_permitted", 50), ("invalid_arguments", 10), ("target_timeout", 5),
    ("refused_by_interceptor", 4), ("result_withheld", 1),
)  # fmt: skip
SYLLABLES = [
    "ba",
    "co",
    "di",
    "fu",
    "ga",
    "he",
    "jo",
    "ka",
    "li",
    "mo",
    "na",
    "pe",
    "qui",
    "ro",
    "sa",
    "te",
    "vu",
    "wa",
    "xi",
    "zo",
]


def skewed(count: int, draws: random.Random, power: float = 1.1) -> Iterator[int]:
    """Numbers below `count`; the nth is drawn about as often as 1/n**power says."""
    weights = list(itertools.accumulate(1 / (n + 1) ** power for n in range(count)))
    numbers = range(count)
    while True:
        yield from draws.choices(numbers, cum_weights=weights, k=10_000)


def vocabulary(count: int) -> list[str]:
    """Words that are easy to tell from each other; the first ones are the common ones."""
    draws = random.Random(7)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(draws.choices(SYLLABLES, k=draws.randint(1, 5)))] = None
    return list(found)


class World:
    """Draws calls. The principal p0 and the tool t0 are common, and meet once in 500,000 calls."""

    def __init__(self, seed: int = 1) -> None:
        self._draws = draws = random.Random(seed)
        self._principals = skewed(2000, draws)
        self._tools = skewed(120, draws)
        self._policies = skewed(60, draws)
        self._words = skewed(20_000, draws, 1.0)
        self._vocabulary = vocabulary(20_000)
        self._codes = [code for code, weight in CODES for _ in range(weight)]
        self._runs: dict[int, tuple[str, str, str, int]] = {}

    def entries(self, calls: int) -> Iterator[tuple[Any, ...]]:
        """The rows of so many calls: each an intent and an outcome, or an outcome alone."""
        draws, at, seq = self._draws, BEGIN, 0
        for number in range(calls):
            at += draws.random() * 2 * EVERY_SECONDS
            for row in self._call(number, at):
                yield (position(1, seq), *row)
                seq += 1

    def _call(self, number: int, at: float) -> Iterator[tuple[Any, ...]]:
        draws = self._draws
        who, what = next(self._principals), next(self._tools)
        if who == 0 and what == 0 and number % 500_000 != 499_999:
            what = 1
        if number % 500_000 == 499_999:
            who, what = 0, 0
        code = "record_unavailable" if number % 1_000_000 == 77 else draws.choice(self._codes)
        run, session, trace, left = self._runs.get(who) or self._new_run()
        self._runs[who] = (run, session, trace, left - 1)
        if left == 1:
            del self._runs[who]
        target = TARGETS[what % len(TARGETS)]
        call_id = f"c{int(at * 1000):012x}{number:08x}{who:08x}"
        principal, agent = f"p{who}@example.com", f"agent-{who % 40}"
        head = {
            "format": 2, "kind": "intent", "call": call_id, "at": rfc3339(at),
            "received_at": rfc3339(at - 0.002), "run": run,
            "principal": {
                "id": principal, "issuer": "https://id.example.com", "kind": "jwt",
                "groups": [f"group-{who % 30}", "staff"], "tenant": f"tenant-{who % 20}",
                "agent": agent, "claims_sha256": f"{who:064x}",
            },
            "name": f"{target}___t{what}", "target": target, "tool": f"t{what}",
            "tool_sha256": f"{what:064x}", "era": "2025-11-25", "session": session,
            "client": {"name": "an-agent", "version": "1.2.3"},
            "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
        }  # fmt: skip
        arguments = {
            "customer": f"cust-{draws.randrange(200_000)}", "amount": draws.randrange(1, 2000),
            "currency": draws.choice(("EUR", "USD", "GBP")), "memo": self._text(12),
        }  # fmt: skip
        policy = f"policy-{next(self._policies)}"
        is_permitted = code not in ("not_permitted", "invalid_arguments")
        head["decision"] = {
            "permitted": is_permitted, "policies": [policy], "errors": [],
            "reason": f"permitted by {policy}" if is_permitted else f"forbidden by {policy}",
            "version": f"{number // 400_000:064x}", "places": [f"policies/main.cedar:{what}"],
        }  # fmt: skip
        if draws.random() < 0.1:
            head["changes"] = [{
                "interceptor": "redact", "phase": "request", "action": "changed",
                "paths": ["memo"], "note": "one finding", "seconds": 0.0001, "labels": ["pii"],
            }]  # fmt: skip
        columns = (run, principal, agent, target, f"t{what}")
        asked = encode({"arguments": arguments})
        if is_permitted:
            yield self._row(head | _beside(asked), at, columns, None, asked)
        outcome = {
            **head, "kind": "outcome", "at": rfc3339(at + 0.03), "code": code,
            "ran": "yes" if is_permitted else "no", "delivered": code == "ok",
        }  # fmt: skip
        kept = asked
        if code == "ok":
            kept = encode({"content": {"content": [{"type": "text", "text": self._text(25)}]}})
            outcome["result"] = {
                "sha256": hashlib.sha256(kept).hexdigest(), "bytes": len(kept),
                "error": False, "failed": False,
            }  # fmt: skip
        else:
            outcome["reason"] = f"It is not to be: {self._text(3)}."
        outcome["seconds"] = {"identify": 2.1e-05, "authorize": 0.00011, "forward": 0.0252}
        if code == "ok" or not is_permitted:
            yield self._row(outcome | _beside(kept), at + 0.03, columns, outcome, kept)
        else:
            yield self._row(outcome, at + 0.03, columns, outcome, None)

    def _row(
        self,
        body: dict[str, Any],
        at: float,
        columns: tuple[str, ...],
        outcome: dict[str, Any] | None,
        payload: bytes | None,
    ) -> tuple[Any, ...]:
        written = encode(body)
        ended = (None, None, None)
        if outcome is not None:
            ended = (outcome["code"], outcome["ran"], outcome["delivered"])
        return (
            body["kind"], body["call"], round(at * 1e6) / 1e6, *columns, *ended,
            leaf_hash(written), written.decode(), None if payload is None else payload.decode(),
        )  # fmt: skip

    def _text(self, words: int) -> str:
        return " ".join(self._vocabulary[n] for n in itertools.islice(self._words, words))

    def _new_run(self) -> tuple[str, str, str, int]:
        draws = self._draws
        run, session, trace = (f"{draws.getrandbits(128):032x}" for _ in range(3))
        return f"r{run[:28]}", session, trace, draws.randint(1, 60)


def _beside(payload: bytes) -> dict[str, Any]:
    return {"payload": {"sha256": hashlib.sha256(payload).hexdigest(), "bytes": len(payload)}}


def fill(path: Path, calls: int) -> int:
    """A SQLite file with so many calls in log 1; returns the number of records."""
    return _filled(path, World().entries(calls))


def fill_with(path: Path, entries: Iterable[Entry]) -> int:
    """The same with entries of somebody else."""
    rows = (
        (
            position(1, seq), entry.kind, entry.call_id, entry.at, entry.run, entry.principal,
            entry.agent, entry.target, entry.tool, entry.code, entry.ran, entry.is_delivered,
            leaf_hash(entry.body), entry.body.decode(),
            None if entry.payload is None else entry.payload.decode(),
        )
        for seq, entry in enumerate(entries)
    )  # fmt: skip
    return _filled(path, rows)


def _filled(path: Path, rows_of: Iterator[tuple[Any, ...]]) -> int:
    path.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    statement = str(insert(records).compile(dialect=_qmark()))
    count = 0
    with engine.connect() as connection:
        bare: Any = connection.connection.driver_connection
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = off")
        bare.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
        bare.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
        bare.execute(
            f"INSERT INTO {logs.name} (id, token, pid, started_at, settled_seq) VALUES (?,?,?,?,?)",
            (1, "0" * 32, 1, BEGIN, 0),
        )
        while rows := list(itertools.islice(rows_of, AT_ONCE)):
            bare.executemany(statement, rows)
            bare.commit()
            count += len(rows)
    engine.dispose()
    return count


def _qmark() -> Any:
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - for this alone

    return sqlite.dialect(paramstyle="qmark")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("calls", type=int)
    given = parser.parse_args()
    start = time.perf_counter()
    print(fill(given.path, given.calls), "records", round(time.perf_counter() - start, 1), "s")
