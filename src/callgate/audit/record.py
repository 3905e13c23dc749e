"""What a call leaves behind: the intent before any side effect, the outcome after."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from callgate.model import CALL_TOOL, Call, Change, Json, Outcome, Principal, Ran, Value
from callgate.protocol.jsonrpc import encode
from callgate.protocol.mcp import is_tool_error
from callgate.protocol.methods import METHODS

MASKED = "***"
FORMAT = 1  # of the body; a change that readers must know of raises it

INTERRUPTED = "interrupted"
INTERRUPTED_REASON = "The gateway ended before the outcome was known."

_VALUES = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?')
_decode = msgspec.json.Decoder().decode


class Entry(Value):
    """One line of the record: `body` is what is kept and hashed, the rest is its index.

    INVARIANT: `indexed(entry.body) == entry`, so that an edit of either shows.
    """

    kind: str  # intent | outcome | event
    call_id: str
    at: float  # seconds since the epoch, in whole microseconds
    body: bytes  # JSON object
    principal: str | None = None
    agent: str | None = None
    target: str | None = None
    tool: str | None = None
    code: str | None = None  # refusal code; "ok" where the call was let through
    ran: str | None = None
    is_delivered: bool | None = None
    run: str | None = None
    payload: bytes | None = None  # JSON object beside the body, which has its digest


class Masks(Value):
    """Which argument paths never reach the record: `password`, `card.number`, `items.*.secret`."""

    paths: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, texts: tuple[str, ...]) -> Masks:
        """Paths as dotted texts; `*` stands for any key or any item."""
        return cls(paths=tuple(tuple(text.split(".")) for text in texts))

    def apply(self, arguments: Json) -> Json:
        """A copy with every masked value replaced; the value itself where nothing is masked."""
        for path in self.paths:
            arguments = _masked(arguments, path)
        return arguments

    def hide(self, read: str) -> bool:
        """Whether something read of the context, such as `context.input.card.number`, is masked.

        Facts derived of an argument are masked with it.
        """
        root, *path = read.split(".")
        if root != "context" or path[:1] not in (["input"], ["derived"]):
            return False
        return any(
            all(want in ("*", step) for want, step in zip(masked, path[1:], strict=False))
            for masked in self.paths
        )

    def plain(self, error: str) -> str:
        """Cedar's words on an error, without the values in them where anything is masked."""
        if not self.paths:
            return error
        head, separator, tail = error.partition("`: ")
        return head + separator + _VALUES.sub(MASKED, tail)


def _masked(value: Json, path: tuple[str, ...]) -> Json:
    if not path:
        return MASKED
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        hits = value.keys() if head == "*" else {head} & value.keys()
        if not hits:
            return value
        return {k: _masked(v, rest) if k in hits else v for k, v in value.items()}
    if isinstance(value, list):
        if head == "*":
            return [_masked(item, rest) for item in value]
        if head.isdecimal() and int(head) < len(value):
            return [_masked(v, rest) if i == int(head) else v for i, v in enumerate(value)]
    return value


def rfc3339(at: float) -> str:
    """An instant in UTC with microseconds."""
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_whole_seconds(seconds)}.{micros:06d}Z"


@lru_cache(16)
def _whole_seconds(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def in_microseconds(at: float) -> float:
    """The instant that `rfc3339` writes of this one.

    INVARIANT: rounded exactly as there, or untouched records would fail `verify`.
    """
    return round(at * 1_000_000) / 1_000_000


def instant(text: str) -> float:
    """The instant that `rfc3339` wrote. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def indexed(body: bytes) -> Entry:
    """The entry, every index field read from its body. Raises ValueError where it is none."""
    try:
        said = _decode(body)
        principal = said.get("principal") or {}
        return Entry(
            kind=said["kind"],
            call_id=said["call"],
            at=instant(said["at"]),
            body=body,
            principal=principal.get("id"),
            agent=principal.get("agent"),
            target=said.get("target"),
            tool=said.get("tool"),
            code=said.get("code"),
            ran=said.get("ran"),
            is_delivered=said.get("delivered"),
        )
    except (AttributeError, KeyError, TypeError, UnicodeError, ValueError) as error:
        raise ValueError(f"not an entry of the record: {error!r}") from error


def intent(call: Call, at: float, masks: Masks) -> Entry:
    """The entry that must be durable before the target is reached."""
    body = _head("intent", call, at)
    body["arguments"] = _arguments(call, masks)
    body["arguments_sha256"] = call.sealed_digest
    body["decision"] = _decision(call, masks)
    if call.changes:
        body["changes"] = [_change(change, masks) for change in call.changes]
    return _entry("intent", call, at, body)


def outcome(ended: Outcome, at: float, masks: Masks) -> Entry:
    """The entry that says how the call ended. For a call that was never forwarded: the only one."""
    call = ended.call
    body = _head("outcome", call, at)
    if call.sealed_digest is None or call.is_answered or ended.is_refused:
        body["arguments"] = _arguments(call, masks)
    body["decision"] = _decision(call, masks)
    if call.changes:
        body["changes"] = [_change(change, masks) for change in call.changes]
    code = ended.refusal_code or "ok"
    body["code"] = code
    if ended.reason:
        body["reason"] = ended.reason
    if ended.detail:
        body["detail"] = ended.detail
    body["ran"] = call.ran.value
    body["delivered"] = ended.is_delivered
    if call.reply is not None:
        body["result"] = {
            "sha256": hashlib.sha256(call.reply.body).hexdigest(),
            "bytes": len(call.reply.body),
            "error": call.reply.is_error,
            "failed": is_tool_error(call.reply),
        }
    body["seconds"] = {timing.stage: round(timing.seconds, 7) for timing in ended.timings}
    return _entry("outcome", call, at, body, code=code, is_delivered=ended.is_delivered)


def interrupted(intended: bytes, at: float) -> Entry:
    """The outcome of a call whose gateway died: all that its intent's body still tells.

    Raises ValueError where the body is not an intent's.
    """
    said = indexed(intended)
    body = _decode(intended)
    for only_of_intents in ("arguments", "arguments_sha256"):
        body.pop(only_of_intents, None)
    body |= {
        "kind": "outcome",
        "at": rfc3339(at),
        "code": INTERRUPTED,
        "reason": INTERRUPTED_REASON,
        "ran": Ran.UNKNOWN.value,
        "delivered": False,
        "seconds": {},
    }
    return replace(
        said,
        kind="outcome",
        at=in_microseconds(at),
        body=encode(body),
        code=INTERRUPTED,
        ran=Ran.UNKNOWN.value,
        is_delivered=False,
    )


def _arguments(call: Call, masks: Masks) -> Json:
    """The arguments without what is masked; a person's answers to a task are, whatever is said."""
    if call.method == "tasks/update":
        masks = Masks(paths=(*masks.paths, ("inputResponses", "*")))
    return masks.apply(call.arguments)


def _head(kind: str, call: Call, at: float) -> dict[str, Json]:
    tool = call.tool
    head = {
        "format": FORMAT,
        "kind": kind,
        "call": call.id,
        "at": rfc3339(at),
        "received_at": rfc3339(call.received_at),
        "principal": _principal(call.principal),
        "name": call.requested_name,
        "target": tool.target if tool else call.route,
        "tool": tool.name if tool else (call.method if METHODS[call.method].is_list else None),
        "tool_sha256": tool.digest if tool else None,
        "era": call.era.value,
        "session": call.session_id,
        "client": call.client.info,
        "traceparent": call.meta.get("traceparent"),
    }
    if call.method != CALL_TOOL:
        head["method"] = call.method
    if call.labels:
        head["labels"] = call.labels
    if call.asked_in is not None:
        head["asked_in"] = call.asked_in
    if call.follow_up is not None and call.follow_up.responses is not None:
        # What a person answered may be secret: that there were answers, and their digest.
        responses = call.follow_up.responses
        head["input"] = {
            "keys": sorted(responses),
            "sha256": hashlib.sha256(encode(responses)).hexdigest(),
        }
    return head


def _principal(principal: Principal | None) -> dict[str, Json] | None:
    if principal is None:
        return None
    return {
        "id": principal.id,
        "issuer": principal.issuer,
        "kind": principal.kind,
        "groups": principal.groups,
        "tenant": principal.tenant,
        "agent": principal.agent,
    }


def _decision(call: Call, masks: Masks) -> dict[str, Json] | None:
    verdict = call.verdict
    if verdict is None:
        return None
    decision: dict[str, Json] = {
        "permitted": verdict.is_permitted,
        "policies": verdict.policies,
        "errors": [masks.plain(error) for error in verdict.errors],
        "reason": verdict.reason,
        "version": verdict.version,
    }
    if verdict.places:
        decision["places"] = verdict.places
    if not verdict.is_enforced:
        decision["enforced"] = False
    if verdict.flips:
        decision["flips"] = [
            {"policy": flip.policy, "would": flip.would, "reason": flip.reason}
            for flip in verdict.flips
        ]
    if call.account is not None:
        decision["account"] = _account(call.account, masks)
    return decision


def _account(account: dict[str, Json], masks: Masks) -> dict[str, Json]:
    """The account without what is masked."""
    if not masks.paths:
        return account
    policies = [
        {
            **policy,
            "clauses": [
                {
                    **clause,
                    "error": masks.plain(clause["error"]),
                    "values": {
                        read: MASKED if masks.hide(read) else value
                        for read, value in clause["values"].items()
                    },
                }
                for clause in policy["clauses"]
            ],
        }
        for policy in account["policies"]
    ]
    return {**account, "policies": policies}


def _change(change: Change, masks: Masks) -> dict[str, Json]:
    told: dict[str, Json] = {
        "interceptor": change.interceptor,
        "phase": change.phase,
        "action": change.action,
        "paths": change.paths,
        "note": change.note,
        "seconds": round(change.duration_seconds, 7),
    }
    if change.patch:
        told["patch"] = [_operation(one, change.phase, masks) for one in change.patch]
    if change.labels:
        told["labels"] = change.labels
    if change.mode != "enforce":
        told["mode"] = change.mode
    return told


def _operation(operation: dict[str, Json], phase: str, masks: Masks) -> dict[str, Json]:
    """One operation of a patch, its value masked where that of an argument is."""
    path = operation["path"].replace("~1", "/").replace("~0", "~")
    read = "context.input" + path.replace("/", ".")
    is_hidden = phase == "request" and "value" in operation and masks.hide(read)
    return {**operation, "value": MASKED} if is_hidden else operation


def _entry(
    kind: str,
    call: Call,
    at: float,
    body: dict[str, Json],
    *,
    code: str | None = None,
    is_delivered: bool | None = None,
) -> Entry:
    principal = call.principal
    return Entry(
        kind=kind,
        call_id=call.id,
        at=in_microseconds(at),  # as the body has it
        body=encode(body),
        principal=principal.id if principal else None,
        agent=principal.agent if principal else None,
        target=body["target"],
        tool=body["tool"],
        code=code,
        ran=body.get("ran"),
        is_delivered=is_delivered,
    )
