"""Tokens that stand for values: given out to one principal, restored only for that one."""

from __future__ import annotations

import base64
import secrets
import threading
from collections import OrderedDict
from typing import NamedTuple

from callgate.interceptors.redacting.settings import TokenSettings
from callgate.model import Json
from callgate.ports import Clock
from callgate.protocol.jsonrpc import encode

MAX_VALUE_BYTES = 16_384
MAX_HELD_BYTES = 64 * 1024 * 1024


_NONE: OrderedDict[str, None] = OrderedDict()


class Held(NamedTuple):
    """A value that a token stands for."""

    principal: str
    kind: str
    text: bytes  # the value, as JSON
    value: Json
    given_at: float


class _Kept:
    """What is held: by tokens, by values, by principals."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: OrderedDict[str, Held] = OrderedDict()  # the one given out longest ago first
        self.tokens: dict[tuple[str, str, bytes], str] = {}
        self.of_principal: dict[str, OrderedDict[str, None]] = {}
        self.bytes = 0


class Vault:
    """What tokens stand for, in memory: bounded, expiring, gone with the process.

    Used from several threads. A vault `like` another shares what that one holds, within bounds of
    its own: what either gives out, both know.
    """

    def __init__(self, settings: TokenSettings, clock: Clock, like: Vault | None = None) -> None:
        self._settings = settings
        self._most_of_one = min(settings.most_per_principal, settings.most)
        self._clock = clock
        self._kept: _Kept = like._kept if like is not None else _Kept()

    def token(self, principal: str, kind: str, value: Json) -> str | None:
        """The token of a value, the same while it is kept; None for a value that is too large."""
        text = encode(value)
        if len(text) > MAX_VALUE_BYTES:
            return None
        with self._kept.lock:
            self._expire()
            name = self._kept.tokens.get((principal, kind, text))
            if name is None:
                name = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
            else:
                self._forget(name)
            self._keep(name, Held(principal, kind, text, value, self._clock.ticks()))
            return name

    def restored(self, principal: str, kind: str, name: str) -> Held | None:
        """What a token stands for, for this principal; None for everyone else."""
        with self._kept.lock:
            self._expire()
            held = self._kept.held.get(name)
        if held is None or held.principal != principal or held.kind != kind:
            return None
        return held

    def knows(self, name: str) -> bool:
        """Whether this token was given out to anybody, and is kept."""
        return name in self._kept.held

    def __len__(self) -> int:
        return len(self._kept.held)

    def _keep(self, name: str, held: Held) -> None:
        while len(own := self._kept.of_principal.get(held.principal, _NONE)) >= self._most_of_one:
            self._forget(next(iter(own)))
        while self._kept.held and (
            len(self._kept.held) >= self._settings.most
            or self._kept.bytes + len(held.text) > MAX_HELD_BYTES
        ):
            self._forget(next(iter(self._kept.held)))
        self._kept.of_principal.setdefault(held.principal, OrderedDict())[name] = None
        self._kept.held[name] = held
        self._kept.tokens[held.principal, held.kind, held.text] = name
        self._kept.bytes += len(held.text)

    def _forget(self, name: str) -> None:
        held = self._kept.held.pop(name)
        del self._kept.tokens[held.principal, held.kind, held.text]
        self._kept.bytes -= len(held.text)
        own = self._kept.of_principal[held.principal]
        del own[name]
        if not own:
            del self._kept.of_principal[held.principal]

    def _expire(self) -> None:
        oldest = self._clock.ticks() - self._settings.seconds
        while self._kept.held:
            name, held = next(iter(self._kept.held.items()))
            if held.given_at > oldest:
                return
            self._forget(name)
