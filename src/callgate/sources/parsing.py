"""Reads policy texts in a process of its own: hostile or huge text can harm only that one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from callgate.policy.source import Policy, PolicyError
from callgate.sources.confined import Child, ChildError
from callgate.sources.parsing_child import Asked, Item, Told
from callgate.sources.sourced import SourceError

MODULE = "callgate.sources.parsing_child"
MIN_SECONDS = 10.0
SECONDS_PER_MEGABYTE = 10.0  # measured: 2 s for a megabyte of small policies
MAX_HELD = 100_000  # policies remembered under their keys
MAX_MESSAGE_BYTES = 64 << 20
IDLE_SECONDS = 0.5  # then the process ends: it takes 25 MB
MAX_LEFT_CHARACTERS = 256 << 10  # unless it knows more than this: all of it would be parsed again


class Parser:
    """Policy texts → policies. Blocking: ask from a thread. Safe to share; one request at a time.

    The process is started when it is first needed, and again where it died or had nothing to do.
    What was read before is neither parsed nor sent again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._decoder = msgspec.json.Decoder(Told)
        self._held: dict[str, Policy] = {}  # by the key under which the child sent it
        self._read: dict[str, tuple[bytes, tuple[Policy, ...]]] = {}  # name → digest, policies
        self._known = 0  # characters that the child has read
        self._idle: threading.Timer | None = None
        self._at = 0  # the text that the child is reading
        self._place: tuple[int, int] | None = None  # and the policy in it

    def parse(self, texts: Sequence[tuple[str, str]]) -> tuple[Policy, ...]:
        """All policies, as `read_policies` gives them, in order.

        Raises PolicyError, also where reading a text took too long, too much memory or the life of
        the process; SourceError where no process can be started.
        """
        with self._lock:
            self._stop_waiting()
            try:
                return combined(self._each(texts))
            finally:
                self._wait_idle()

    def close(self) -> None:
        """Ends the process. The next `parse` starts another."""
        with self._lock:
            self._stop_waiting()
            self._end()

    def _wait_idle(self) -> None:
        if self._child is not None and self._known <= MAX_LEFT_CHARACTERS:
            self._idle = threading.Timer(IDLE_SECONDS, self.close)
            self._idle.daemon = True
            self._idle.start()

    def _stop_waiting(self) -> None:
        timer, self._idle = self._idle, None
        if timer is not None:
            timer.cancel()

    def _each(self, texts: Sequence[tuple[str, str]]) -> list[tuple[Policy, ...]]:
        digests = [_digest(name, text) for name, text in texts]
        found: list[tuple[Policy, ...] | None] = []
        for (name, _), digest in zip(texts, digests, strict=True):
            known = self._read.get(name)
            found.append(known[1] if known is not None and known[0] == digest else None)
        missing = [number for number, policies in enumerate(found) if policies is None]
        if missing:
            fresh = self._ask([texts[number] for number in missing])
            for number, policies in zip(missing, fresh, strict=True):
                found[number] = policies
                self._read[texts[number][0]] = (digests[number], policies)
        return [policies for policies in found if policies is not None]

    def _ask(self, texts: list[tuple[str, str]]) -> list[tuple[Policy, ...]]:
        try:
            child, is_new = self._living()
        except OSError as error:
            raise SourceError("policies", f"no process can be started: {error}") from None
        has_too_many = len(self._held) > MAX_HELD
        if has_too_many:
            self._held.clear()
            self._read.clear()
        forgets = is_new or has_too_many
        if is_new:
            self._known = 0
        size = sum(len(text) for _, text in texts)
        self._known += size
        timer = child.deadline(MIN_SECONDS + SECONDS_PER_MEGABYTE * size / 1e6)
        self._at, self._place = 0, None
        try:
            child.send(msgspec.json.encode(Asked(texts=tuple(texts), forgets=forgets)))
            return self._received(child, len(texts))
        except (ChildError, msgspec.DecodeError, KeyError) as error:
            self._end()
            reason = str(error) if isinstance(error, ChildError) else "sent nonsense"
            line, column = self._place or (None, None)
            problem = f"cannot be read: the parser {reason}; simplify or split it"
            raise PolicyError(texts[self._at][0], problem, line=line, column=column) from None
        finally:
            timer.cancel()

    def _received(self, child: Child, count: int) -> list[tuple[Policy, ...]]:
        found: list[list[Policy]] = [[] for _ in range(count)]
        while True:
            told = self._decoder.decode(child.receive(MAX_MESSAGE_BYTES))
            if told.problem is not None:
                raise PolicyError(**told.problem)
            if told.begins is not None:
                self._at, self._place = told.begins, None
            elif told.place is not None:
                self._place = told.place
            elif told.items:
                found[self._at] += map(self._placed, told.items)
            elif self._at == count - 1:
                return [tuple(policies) for policies in found]

    def _placed(self, item: Item) -> Policy:
        policy = self._held.get(item.key) or item.policy
        if policy is None:
            raise KeyError(item.key)
        if (policy.line, policy.column) != (item.line, item.column):
            policy = replace(policy, line=item.line, column=item.column)
        self._held[item.key] = policy
        return policy

    def _living(self) -> tuple[Child, bool]:
        if self._child is not None and self._child.is_alive:
            return self._child, False
        self._end()
        self._child = Child(MODULE)
        return self._child, True

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()


def combined(parts: Iterable[Sequence[Policy]]) -> tuple[Policy, ...]:
    """Policies of several texts as one set. Raises PolicyError where an id is there twice."""
    found: dict[str, Policy] = {}
    for policies in parts:
        for policy in policies:
            other = found.get(policy.id)
            if other is not None:
                raise PolicyError(
                    policy.source,
                    f'the id "{policy.id}" is used in {other.place} already; change its @id',
                    line=policy.line,
                    column=policy.column,
                )
            found[policy.id] = policy
    return tuple(found.values())


def _digest(name: str, text: str) -> bytes:
    try:
        return hashlib.sha256(text.encode()).digest()
    except UnicodeEncodeError as error:
        raise PolicyError.at(name, text, error.start, "is not Unicode text") from None
