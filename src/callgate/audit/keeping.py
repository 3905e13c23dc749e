"""What of a call's arguments and result is kept: masked, whole, or nothing but a digest."""

from __future__ import annotations

import msgspec

from callgate.audit.masks import Masks
from callgate.model import Call, Json, Reply, Value
from callgate.protocol.jsonrpc import encode

ANSWERS = ("inputResponses", "*")  # of tasks/update: what people answered, whatever is masked
MAX_NESTING = 200  # of texts in texts, looked through where something is masked

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


def arguments_of(call: Call, keeping: Keeping) -> Kept:
    """The arguments of a call. What was sealed is taken as it is where nothing is masked."""
    masks = keeping.masks
    if call.method == "tasks/update":
        masks = Masks(paths=(*masks.paths, ANSWERS))
    if masks.paths:
        content, masked = masks.applied(call.arguments)
        return Kept(content=content, masked=masked)
    if call.sealed is not None:
        return Kept(content=msgspec.Raw(call.sealed))
    return Kept(content=call.arguments)


def result_of(reply: Reply, target: str | None, keeping: Keeping) -> Kept | None:
    """What a target answered, as it was delivered; None where its digest must do.

    A masked path is looked for in `structuredContent`, in the `data` of a JSON-RPC error, and in
    every text anywhere in the result that is itself a JSON object or array. In other texts nothing
    is masked: they have no paths.
    """
    if not keeping.keeps_results_of(target):
        return None
    if not keeping.result_masks.paths:
        return Kept(content=_as_sent(reply.body))
    try:
        result = _decode(reply.body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Kept(content=reply.body.decode("utf-8", "replace"))
    masking = _Masking(keeping.result_masks)
    content = masking.masked(result, "data" if reply.is_error else "structuredContent")
    if not masking.hits:
        return Kept(content=_as_sent(reply.body))
    return Kept(content=content, masked=tuple(dict.fromkeys(masking.hits)))


def _as_sent(body: bytes) -> Json:
    """The result without reading it, where it can lie in a line of JSON as it is."""
    if b"\n" in body or b"\r" in body or not _is_text(body):
        try:
            return _decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return body.decode("utf-8", "replace")
    return msgspec.Raw(body)


def _is_text(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Masking:
    """One result being masked."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self.hits: list[str] = []

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
        if depth > MAX_NESTING:
            return value
        if isinstance(value, dict):
            return {name: self._texts(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            return [self._texts(item, depth + 1) for item in value]
        return value

    def _text(self, text: str, depth: int) -> str:
        if text.lstrip()[:1] not in ("{", "["):
            return text
        try:
            said = _decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return text
        before = len(self.hits)
        masked = self._texts(self._applied(said), depth + 1)
        return text if len(self.hits) == before else encode(masked).decode()
