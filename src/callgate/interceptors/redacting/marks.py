"""What stands in place of what was found: marks, digests, tokens; and tokens made good again."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from callgate.interceptors.redacting.nested import opened
from callgate.interceptors.redacting.vault import Vault
from callgate.model import Json
from callgate.protocol.jsonrpc import encode


class Marks:
    """Makes the replacements, and knows them again."""

    def __init__(self, kinds: Iterable[str], key: bytes, vault: Vault) -> None:
        self._key = key
        self._vault = vault
        names = "|".join(re.escape(kind) for kind in sorted(kinds, key=len, reverse=True))
        self._token = re.compile(rf"\[token:({names}):([a-z2-7]{{26}})\]")
        self._any = re.compile(
            rf"\[redacted:(?:{names})\]|\[hashed:(?:{names}):[0-9a-f]{{16}}\]|{self._token.pattern}"
        )

    def mask(self, kind: str) -> str:
        """For `mask`."""
        return f"[redacted:{kind}]"

    def digest(self, kind: str, value: Json) -> str:
        """For `hash`: the same for the same value, of no use without the key."""
        text = value.encode() if isinstance(value, str) else encode(value)
        made = hmac.new(self._key, kind.encode() + b"\0" + text, hashlib.sha256)
        return f"[hashed:{kind}:{made.hexdigest()[:16]}]"

    def token(self, kind: str, value: Json, principal: str) -> str:
        """For `tokenise`. What is too large to be kept is masked."""
        name = self._vault.token(principal, kind, value)
        return self.mask(kind) if name is None else f"[token:{kind}:{name}]"

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where a text holds replacements of ours: nothing is found in these."""
        if "[" not in text:
            return []
        return [
            match.span()
            for match in self._any.finditer(text)
            if match.group(2) is None or self._vault.knows(match.group(2))
        ]

    def is_mark(self, value: Json) -> bool:
        """Whether a whole value is a replacement of ours."""
        return isinstance(value, str) and self.places(value) == [(0, len(value))]

    def restored(self, value: Json, principal: str) -> tuple[Json, int]:
        """A value with the principal's tokens made good again, and how many they were."""
        count = 0

        def one(kind: str, name: str, whole: str) -> Json:
            nonlocal count
            held = self._vault.restored(principal, kind, name)
            if held is None:
                return whole
            count += 1
            return held.value

        def in_text(text: str) -> Json:
            if "[token:" not in text:
                return text
            match = self._token.fullmatch(text)
            if match is not None:
                return one(match.group(1), match.group(2), text)
            inner = opened(text)
            if inner is not None:
                before = count
                changed = walk(inner.value)
                return inner.close(changed) if count != before else text
            return self._token.sub(lambda m: _as_text(one(m.group(1), m.group(2), m.group())), text)

        def walk(value: Json) -> Json:
            if isinstance(value, str):
                return in_text(value)
            if isinstance(value, dict):
                return {_as_text(in_text(key)): walk(item) for key, item in value.items()}
            return [walk(item) for item in value] if isinstance(value, list) else value

        return walk(value), count


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else encode(value).decode()
