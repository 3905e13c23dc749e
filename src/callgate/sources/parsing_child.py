"""What runs in the parser's own process: policy texts in, policies out, whatever they contain."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Any

import cedarpy
import msgspec

from callgate.model import Value
from callgate.policy.preview import documented
from callgate.policy.source import Policy, PolicyError, read_policies
from callgate.policy.text import TextError, statements
from callgate.sources.confined import confine, protocol_streams
from callgate.sources.framing import FrameError, read_frame, write_frame

MAX_MEMORY_BYTES = 2 << 30
STACK_BYTES = 2 << 20  # a quarter of what serving threads have: what passes here passes there
HARMLESS_CHARACTERS = 2000  # the parser dies of depth, and shorter policies have not enough
BATCH_BYTES = 64 << 10  # the reader holds the interpreter lock for one batch at a time
SIZE_FACTOR = 8  # about what a policy takes here for each character as written
MAX_REMEMBERED = 200_000  # policies

_PROBE = {"principal": 'A::"a"', "action": 'Action::"a"', "resource": 'A::"a"', "context": {}}
_ANY = {"principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}}


class Asked(Value):
    """Texts to read: (name, text). `forgets`: the other side no longer has what was sent."""

    texts: tuple[tuple[str, str], ...]
    forgets: bool = False


class Item(Value, array_like=True):
    """One policy of the text at hand; without itself where it was sent before under this key."""

    key: str  # stands for all of the policy but its place
    line: int
    column: int
    policy: Policy | None = None


class Told(Value):
    """One message back. Without anything set: that was all."""

    begins: int | None = None  # the text that is being read now
    place: tuple[int, int] | None = None  # line and column of the policy that is being read now
    items: tuple[Item, ...] = ()
    problem: dict[str, Any] | None = None  # a PolicyError, by its parts: nothing more follows


class Reading:
    """What one parser process remembers between requests."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Policy, ...]] = {}  # by the name of the text
        self._sent: set[str] = set()
        self._encode = msgspec.json.Encoder().encode

    def answer(self, asked: Asked) -> Iterator[bytes]:
        """The messages that answer a request, encoded."""
        if asked.forgets:
            self._sent.clear()
        if sum(map(len, self._known.values())) > MAX_REMEMBERED:
            self._known.clear()
        try:
            for number, (name, text) in enumerate(asked.texts):
                yield self._encode(Told(begins=number))
                yield from self._read(name, text)
        except PolicyError as error:
            yield self._encode(Told(problem=_parts(error)))
        except MemoryError:
            problem = f"needs more than {MAX_MEMORY_BYTES >> 20} MB to be read; split it"
            yield self._encode(Told(problem={"source": name, "problem": problem}))
        else:
            yield self._encode(Told())

    def _read(self, name: str, text: str) -> Iterator[bytes]:
        known = self._known.get(name, ())
        yield from self._announced(name, text, known)
        policies = read_policies([(name, text)], known)
        keys = [_key(policy) for policy in policies]
        # INVARIANT: what is noted as sent is sent: nothing fails between here and there.
        for policy, key in zip(policies, keys, strict=True):
            if key not in self._sent:
                _try_out(policy)
        self._known[name] = policies
        batch: list[Item] = []
        size = 0
        for policy, key in zip(policies, keys, strict=True):
            sent = None if key in self._sent else policy
            batch.append(Item(key=key, line=policy.line, column=policy.column, policy=sent))
            if sent is not None:
                self._sent.add(key)
                size += SIZE_FACTOR * len(policy.text)
            if size > BATCH_BYTES or len(batch) >= 1000:
                yield self._encode(Told(items=tuple(batch)))
                batch, size = [], 0
        if batch:
            yield self._encode(Told(items=tuple(batch)))

    def _announced(self, name: str, text: str, known: Iterable[Policy]) -> Iterator[bytes]:
        """Reads what could kill the parser by itself, so that the other side knows its place."""
        if max(map(len, text.split(";"))) <= HARMLESS_CHARACTERS:
            return  # mostly so; where a `;` in a text in quotes deceives, only the place is lost
        before = {policy.text for policy in known}
        try:
            for statement in statements(text):
                if len(statement.text) > HARMLESS_CHARACTERS and statement.text not in before:
                    yield self._encode(Told(place=(statement.line, statement.column)))
                    with suppress(PolicyError):  # said in its own place, by the real reading
                        read_policies([(name, statement.text)])
        except TextError:
            return


def _key(policy: Policy) -> str:
    whole = f"{policy.source}\0{policy.id}\0{policy.text}"
    return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()


def _try_out(policy: Policy) -> None:
    """Does with a policy what the gateway will do, where it can do no harm. Raises PolicyError."""
    try:
        response = cedarpy.is_authorized(_PROBE, documented({"p": policy.est | _ANY}), [])
    except ValueError as error:
        raise _refused(policy, f"Cedar does not take it back: {error}") from None
    if any("recursion limit" in str(error) for error in response.diagnostics.errors):
        raise _refused(policy, "is nested too deep to be evaluated; split it")


def _refused(policy: Policy, problem: str) -> PolicyError:
    return PolicyError(policy.source, problem, line=policy.line, column=policy.column)


def _parts(error: PolicyError) -> dict[str, Any]:
    return {
        "source": error.source,
        "problem": error.problem,
        "line": error.line,
        "column": error.column,
        "excerpt": error.excerpt,
    }


def serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Answers until the other side ends."""
    reading = Reading()
    decoder = msgspec.json.Decoder(Asked)
    while True:
        try:
            asked = decoder.decode(read_frame(incoming))
            for message in reading.answer(asked):
                write_frame(outgoing, message)
        except (FrameError, OSError):
            return


def main() -> None:
    """The whole life of the process."""
    confine(memory_bytes=MAX_MEMORY_BYTES, file_bytes=0)
    incoming, outgoing = protocol_streams()
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=serve, args=(incoming, outgoing))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
