"""Asks a language model over OpenAI's chat completions: one question, one bounded answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import msgspec

from callgate.authoring.settings import DraftingSettings
from callgate.closed_client import Answer, Asker, TooLongError, UnusableError, closed_client, told
from callgate.model import Json, Value
from callgate.protocol.jsonrpc import encode

MAX_ANSWER_BYTES = 1 << 20


class ModelError(Exception):
    """The model gave no answer that could be used; the message says why, and what to do."""


class Message(Value):
    """One turn of a conversation with the model."""

    role: Literal["system", "user", "assistant"]
    content: str


class _Said(msgspec.Struct):
    content: Json = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_read = msgspec.json.Decoder(_Completion).decode

_STATUS = {
    400: "did not take the request; is `policies.drafting.model` right?",
    401: "did not accept the key; check `policies.drafting.api_key`",
    403: "does not let this key use the model; check `policies.drafting.api_key` and `model`",
    404: "knows no such path or model; check `policies.drafting.url` and `model`",
    413: "found the request too large; name the tools that the text is about",
}
_SILENT = frozenset({401, 403})  # endpoints repeat parts of the key here


class ModelClient:
    """The model at one endpoint. Endpoint down, slow, wordy or unwilling: ModelError."""

    def __init__(self, settings: DraftingSettings) -> None:
        self._settings = settings
        self._url = f"{settings.url}/chat/completions"
        self._asker = Asker(
            lambda: closed_client(self._url, settings.timeout_seconds), MAX_ANSWER_BYTES
        )

    async def __aenter__(self) -> Self:
        """Opens nothing before the first question."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connections."""
        await self._asker.close()

    async def ask(self, messages: Sequence[Message]) -> str:
        """The text of the model's answer. Raises ModelError."""
        body = {
            "model": self._settings.model,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
        }
        answer = await self._post(encode(body))
        if answer.status != 200:
            raise ModelError(f"{self._url} {self._failure(answer)}")
        return self._text(answer.body)

    async def _post(self, body: bytes) -> Answer:
        headers = {"content-type": "application/json"}
        if self._settings.api_key is not None:
            headers["authorization"] = f"Bearer {self._settings.api_key.get_secret_value()}"
        try:
            return await self._asker.ask("POST", self._url, headers, body)
        except TooLongError:
            raise ModelError(f"{self._url} answered more than {MAX_ANSWER_BYTES} bytes") from None
        except TimeoutError:
            raise ModelError(
                f"{self._url} did not answer within {self._settings.timeout_seconds:g} s; raise "
                "`policies.drafting.timeout_seconds`, or take a faster model"
            ) from None
        except UnusableError as error:
            raise ModelError(f"{self._url} cannot be reached: {error}") from None

    def _failure(self, answer: Answer) -> str:
        status = answer.status
        if 300 <= status < 400:
            return f"redirects ({status}), which is not followed; write where it leads as `url`"
        if status == 429:
            after = answer.headers.get("retry-after", "")
            wait = f" in {after} s" if after.isdecimal() and len(after) < 6 else " later"
            return f"takes no more requests now (429); try again{wait}"
        why = "" if status in _SILENT else self._told(answer.body)
        problem = _STATUS.get(status, "failed; try again later")
        return f"{problem} ({status}{': ' if why else ''}{why})"

    def _told(self, body: bytes) -> str:
        """What the endpoint says of its failure: short, printable, and never our key."""
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return ""
        error = said.get("error") if isinstance(said, dict) else None
        text = error.get("message") if isinstance(error, dict) else error
        if not isinstance(text, str):
            return ""
        key = self._settings.api_key
        if key is not None:
            text = text.replace(key.get_secret_value(), "***")
        return told(text)

    def _text(self, body: bytes) -> str:
        try:
            answer = _read(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise ModelError(
                f"{self._url} did not answer like chat completions; is `policies.drafting.url` "
                "the base of an OpenAI-compatible API?"
            ) from None
        if not answer.choices:
            raise ModelError(f"{self._url} answered without a choice")
        choice = answer.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise ModelError("the model declined to answer; say the requirement in other words")
        if choice.finish_reason == "length":
            raise ModelError("the model's answer was cut off at its limit; ask for less at once")
        text = _joined(choice.message.content)
        if not text.strip():
            raise ModelError("the model answered nothing")
        return text


def _joined(content: Json) -> str:
    """A text, or the texts of content parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
