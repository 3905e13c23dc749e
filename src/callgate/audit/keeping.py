"""What of a call's arguments and result is kept: masked, whole, or nothing but a digest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from callgate.audit.masks import MASKED, Masks
from callgate.model import Call, Json, Reply, Value
from callgate.protocol.jsonrpc import encode

ANSWERS = ("inputResponses", "*")  # of tasks/update: what people answered, whatever is masked
MIN_SECRET_CHARACTERS = 6  # of a masked value: a shorter one stands in every other word
MAX_NESTING = 200  # of texts in texts, looked through where something is masked

_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;@+=-]*")  # JSON writes these as they are
_decode = msgspec.json.Decoder().decode


class Keeping(Value):
    """What the record keeps of contents, as the configuration has it."""

    masks: Masks = Masks()  # of arguments
    result_masks: Masks = Masks()
    has_results: bool = True  # else their digests alone are kept
    exceptions: frozenset[str] = frozenset()  # targets of which the opposite holds

    def keeps_results_of(self, target: str | None) -> bool:
        """Whether what this target answers is kept, not just its digest."""
        return self.has_results is not (target in self.exceptions)


class Kept(Value):
    """A content as it is kept, and which masked paths were in it."""

    content: Json
    masked: tuple[str, ...] = ()
    has_repeats: bool = False  # of masked arguments, which are masked as well


class Secrets(Value):
    """What stood at masked places of the arguments: it is not to be repeated anywhere."""

    texts: tuple[str, ...] = ()  # the longest first

    def without(self, text: str) -> str:
        """The text, with MASKED where it repeats one of them as it is."""
        for secret in self.texts:
            text = text.replace(secret, MASKED)
        return text

    def out_of(self, value: Json) -> tuple[Json, tuple[str, ...]]:
        """The value without them; and the dotted paths where one stood. Itself, if none did."""
        hits: list[str] = []
        left = self._left(value, "", hits)
        return (left, tuple(hits)) if hits else (value, ())

    def _left(self, value: Json, path: str, hits: list[str]) -> Json:
        left: Json = value
        if isinstance(value, dict):
            return {key: self._left(item, f"{path}.{key}", hits) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._left(item, f"{path}.{at}", hits) for at, item in enumerate(value)]
        if isinstance(value, str):
            left = self.without(value)
        elif isinstance(value, (int, float)) and str(value) in self.texts:
            left = MASKED
        if left != value:
            hits.append(path[1:])
        return left

    def may_be_in(self, body: bytes) -> bool:
        """Whether JSON may hold one of them: it need not be read where it cannot."""
        if not self.texts:
            return False
        if b"\\u" in body or (b"\\" in body and not all(map(_PLAIN.fullmatch, self.texts))):
            return True  # it could be written otherwise there
        return any(secret.encode() in body for secret in self.texts)


NO_SECRETS = Secrets()


def secrets_of(call: Call, keeping: Keeping) -> Secrets:
    """Of the arguments as they came and as they were sent."""
    masks = _masks(call, keeping)
    if not masks.paths:
        return NO_SECRETS
    return not_to_repeat(text for of in (call.arguments, call.given) for text in masks.texts(of))


def not_to_repeat(texts: Iterable[str]) -> Secrets:
    """Those of them that are long enough to be told from other words."""
    long = {text for text in texts if len(text) >= MIN_SECRET_CHARACTERS}
    return Secrets(texts=tuple(sorted(long, key=lambda text: (-len(text), text))))


def _masks(call: Call, keeping: Keeping) -> Masks:
    if call.method != "tasks/update":
        return keeping.masks
    return Masks(paths=(*keeping.masks.paths, ANSWERS))


def may_mask(call: Call, keeping: Keeping) -> bool:
    """Whether anything of this call may be masked."""
    return bool(_masks(call, keeping).paths or keeping.result_masks.paths)


def arguments_of(call: Call, keeping: Keeping, secrets: Secrets = NO_SECRETS) -> Kept:
    """The arguments of a call. What was sealed is taken as it is where nothing is masked.

    An argument that repeats a masked one is masked there, and counts as masked itself.
    """
    masks = _masks(call, keeping)
    if masks.paths:
        content, masked = masks.applied(call.arguments)
        content, repeats = secrets.out_of(content)
        return Kept(content=content, masked=(*masked, *repeats))
    if call.sealed is not None:
        return Kept(content=msgspec.Raw(call.sealed))
    return Kept(content=call.arguments)


def result_of(
    reply: Reply, target: str | None, keeping: Keeping, secrets: Secrets = NO_SECRETS
) -> Kept | None:
    """What a target answered, as it was delivered; None where its digest must do.

    A masked path is looked for in `structuredContent`, in the `data` of a JSON-RPC error, and in
    every text anywhere in the result that is itself a JSON object or array. In other texts nothing
    is masked but what repeats a masked argument: they have no paths.
    """
    if not keeping.keeps_results_of(target):
        return None
    if not keeping.result_masks.paths and not secrets.may_be_in(reply.body):
        return Kept(content=_as_sent(reply.body))
    try:
        result = _decode(reply.body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Kept(content=secrets.without(reply.body.decode("utf-8", "replace")))
    masking = _Masking(keeping.result_masks, secrets)
    content = masking.masked(result, "data" if reply.is_error else "structuredContent")
    if not masking.hits and not masking.repeats:
        return Kept(content=_as_sent(reply.body))
    masked = tuple(dict.fromkeys(masking.hits))
    return Kept(content=content, masked=masked, has_repeats=masking.repeats > 0)


def _as_sent(body: bytes) -> Json:
    """The result without reading it, where it can lie in a line of JSON as it is."""
    if lies_as_sent(body):
        return msgspec.Raw(body)
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return body.decode("utf-8", "replace")


def lies_as_sent(body: bytes) -> bool:
    """Whether JSON can lie in a line of the record as it is."""
    if body.find(b"\n") >= 0 or body.find(b"\r") >= 0:
        return False
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Masking:
    """One result being masked."""

    def __init__(self, masks: Masks, secrets: Secrets) -> None:
        self._masks = masks
        self._secrets = secrets
        self.hits: list[str] = []
        self.repeats = 0

    def masked(self, result: Json, structured: str) -> Json:
        """The result; `structured` is where it holds what paths begin at."""
        if isinstance(result, dict) and structured in result:
            result = {**result, structured: self._applied(result[structured])}
        return self._texts(result, 0)

    def _applied(self, value: Json) -> Json:
        masked, hits = self._masks.applied(value)
        self.hits += hits
        return masked

    def _texts(self, value: Json, depth: int) -> Json:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, (int, float)) and str(value) in self._secrets.texts:
            self.repeats += 1
            return MASKED
        if depth > MAX_NESTING:
            return value
        if isinstance(value, dict):
            return {name: self._texts(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            return [self._texts(item, depth + 1) for item in value]
        return value

    def _text(self, text: str, depth: int) -> str:
        said: Json = None
        if text.lstrip()[:1] in ("{", "["):
            with suppress(msgspec.DecodeError, RecursionError, UnicodeError):
                said = _decode(text)
        if said is not None:
            before = len(self.hits) + self.repeats
            masked = self._texts(self._applied(said), depth + 1)
            if len(self.hits) + self.repeats > before:
                text = encode(masked).decode()
        plain = self._secrets.without(text)
        self.repeats += plain != text
        return plain
