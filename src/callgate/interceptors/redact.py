"""The built-in redactor: personal data and secrets in arguments, results, errors and messages."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.redacting.marks import Marks
from callgate.interceptors.redacting.redaction import Redacted, Redaction, Situation
from callgate.interceptors.redacting.scanner import Scanner
from callgate.interceptors.redacting.settings import FIELD, RedactSettings
from callgate.interceptors.redacting.vault import Vault
from callgate.model import Json
from callgate.ports import Clock
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Decision, Interceptor, Message, Passive, Request, Result, View
from callgate.secret_files import kept_secret

__all__ = ["RedactSettings", "Redactor"]

INLINE_BYTES = 16_384
"""What is larger is looked at in a thread: about a millisecond of work."""


class Redactor(Passive):
    """Replaces what it finds in every string, key and number of a JSON value, however encoded.

    The only state is the vault: what tokens stand for, bounded, expiring, gone with the process. A
    reload keeps it.
    """

    def __init__(
        self,
        settings: RedactSettings,
        directory: Path,
        clock: Clock,
        before: Interceptor | None = None,
    ) -> None:
        """Loads the engines, which takes a second or more once per process.

        Tokens that the redactor `before` it gave out stay good.
        """
        key = _key(settings, directory)
        known = before._vault if isinstance(before, Redactor) else None
        self._vault: Vault = Vault(settings.tokens, clock, known)
        self._marks = Marks({*settings.kinds, FIELD}, key, self._vault)
        # One thread: several would only compete for Python's lock, with the event loop too.
        self._apart = ThreadPoolExecutor(max_workers=1, thread_name_prefix="redact")
        self._redaction = Redaction(settings, Scanner(settings, clock), self._marks)

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor. Tokens of the principal become what they stand for."""
        value, situation = request.arguments, _situation(request, is_result=False)
        redacted, restored = await self._done(value, situation)
        if redacted.refused:
            return Decision(refuse=_refusal("The arguments hold", redacted), note=_note(redacted))
        if redacted.value is value and not restored:
            return None
        return Decision(arguments=_object(redacted.value), note=_note(redacted, restored))

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor."""
        value, situation = result.result, _situation(result, is_result=True)
        redacted, restored = await self._done(value, situation)
        if redacted.refused:
            return Decision(withhold=_refusal("The result holds", redacted), note=_note(redacted))
        if redacted.value is value and not restored:
            return None
        return Decision(result=_object(redacted.value), note=_note(redacted, restored))

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        value, situation = message.params, _situation(message, is_result=True)
        redacted, _ = await self._done(value, situation)
        if redacted.refused:
            return Decision(withhold=_refusal("The message holds", redacted), note=_note(redacted))
        if redacted.value is value:
            return None
        return Decision(params=_object(redacted.value), note=_note(redacted))

    def may_skip(self, body: bytes) -> bool:
        """See scrutiny.Interceptor."""
        return self._redaction.may_skip(body)

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._apart.shutdown(wait=False, cancel_futures=True)

    def redact(self, value: Json, situation: Situation | None = None) -> Redacted:
        """The value redacted, and how much was found of each kind."""
        return self._redaction.of(value, encode(value), situation or Situation())

    async def _done(self, value: Json, situation: Situation) -> tuple[Redacted, int]:
        """The value redacted and, where it goes to the target, with its tokens restored."""
        body = encode(value)

        def work() -> tuple[Redacted, int]:
            redacted = self._redaction.of(value, body, situation)
            restored = 0
            if not situation.is_toward_agent and b"[token:" in body:
                made, restored = self._marks.restored(redacted.value, situation.principal)
                redacted.value = made if restored else redacted.value
            return redacted, restored

        if len(body) <= INLINE_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._apart, work)


def _situation(view: View, *, is_result: bool) -> Situation:
    # What a target asks of the agent's client goes to the agent, and its answer to the target.
    is_asked = METHODS[view.tool.method].is_asked_by_target
    return Situation(
        tool=view.tool.qualified_name,
        principal=view.principal.key,
        is_toward_agent=is_result is not is_asked,
    )


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)  # noqa: S101 - an object stays one
    return value


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))


def _note(redacted: Redacted, restored: int = 0) -> str:
    parts = (_counts(redacted.found), _counts(redacted.refused))
    made_good = f"{restored} restored" if restored else ""
    return "; ".join(part for part in (*parts, made_good) if part)


def _refusal(what: str, redacted: Redacted) -> str:
    kinds = " and ".join(sorted(redacted.refused))
    return f"{what} something that may not be passed on: {kinds}. Leave it out."


def _key(settings: RedactSettings, directory: Path) -> bytes:
    """The key of `hash`: of the settings, or made once and kept. Raises InterceptorError."""
    if settings.key is not None:
        return settings.key.get_secret_value().encode()
    if not settings.uses("hash"):
        return secrets.token_bytes(32)
    file = directory / ".callgate" / "redact.key"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        key = kept_secret(file, lambda: secrets.token_bytes(32))
    except OSError as error:
        raise InterceptorError(f"{file} cannot be used: {error}; set `key`") from None
    if len(key) != 32:
        raise InterceptorError(f"{file} holds no key of ours; remove it, or set `key`")
    return key
