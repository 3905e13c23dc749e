"""What a call leaves behind: the intent before any side effect, the outcome after."""

from __future__ import annotations

import hashlib
from itertools import repeat
from operator import mul, truediv

import msgspec

from callgate.audit.keeping import (
    Keeping,
    Secrets,
    arguments_of,
    lies_as_sent,
    may_mask,
    result_of,
    secrets_of,
)
from callgate.audit.masks import MASKED, Masks
from callgate.audit.patch import shortened
from callgate.audit.principals import describe
from callgate.audit.record import FORMAT, Entry, entry_of, rfc3339, written
from callgate.model import CALL_TOOL, Call, Change, Era, Json, Outcome, Ran, Value
from callgate.protocol.mcp import is_tool_error
from callgate.protocol.methods import METHODS

AFTER_INTENT = frozenset({"forward", "intercept_response"})  # stages behind `record_intent`
MAX_NAME_CHARACTERS = 1024
MAX_TEXT_CHARACTERS = 4096  # of a reason, and of what operators are told
MAX_CLIENT_BYTES = 1024
TICKS = 1e7  # in a second of what stages took
ROUND_CONTENT_BYTES = 32  # of a payload, around the arguments or the result

_SAID_RAN = {ran: ran.value for ran in Ran}  # `value` itself takes a function
_SAID_ERA = {era: era.value for era in Era}


class Intended(Value, gc=False):
    """An intent that is not told yet. Implements audit.record.Telling."""

    call: Call
    at: float
    keeping: Keeping

    kind = "intent"
    ran = None

    @property
    def call_id(self) -> str:
        """Of the call."""
        return self.call.id

    @property
    def most_bytes(self) -> int | None:
        """Known where the arguments go into the record as they are sent."""
        call = self.call
        if call.sealed is None or call.enriched or may_mask(call, self.keeping):
            return None
        return len(call.sealed) + ROUND_CONTENT_BYTES

    def told(self) -> Entry:
        """The entry."""
        return intent(self.call, self.at, self.keeping)


class Ended(Value, gc=False):
    """An outcome that is not told yet. Implements audit.record.Telling."""

    outcome: Outcome
    at: float
    keeping: Keeping

    kind = "outcome"

    @property
    def call_id(self) -> str:
        """Of the call."""
        return self.outcome.call.id

    @property
    def ran(self) -> str:
        """Whether its target executed it."""
        return _SAID_RAN[self.outcome.call.ran]

    @property
    def most_bytes(self) -> int | None:
        """Known where there is a result and nothing else, and it is kept as it came."""
        call = self.outcome.call
        reply = call.reply
        if reply is None or may_mask(call, self.keeping) or not has_intent(self.outcome):
            return None
        return len(reply.body) + ROUND_CONTENT_BYTES if lies_as_sent(reply.body) else None

    def told(self) -> Entry:
        """The entry."""
        return outcome(self.outcome, self.at, self.keeping)


def intent(call: Call, at: float, keeping: Keeping) -> Entry:
    """The entry that must be durable before the target is reached."""
    secrets = secrets_of(call, keeping)
    body = _head("intent", call, at, secrets)
    payload = _asked(call, body, keeping, secrets)
    body["arguments_sha256"] = call.sealed_digest
    _tell_decision(call, body, keeping, secrets)
    return entry_of(body, at, payload=payload, principal=call.principal)


def outcome(ended: Outcome, at: float, keeping: Keeping) -> Entry:
    """The entry that says how the call ended. For a call that was never forwarded: the only one."""
    call = ended.call
    secrets = secrets_of(call, keeping)
    body = _head("outcome", call, at, secrets)
    payload = {} if has_intent(ended) else _asked(call, body, keeping, secrets)
    _tell_decision(call, body, keeping, secrets)
    body["code"] = ended.refusal_code or "ok"
    if ended.reason:
        body["reason"] = _short(secrets.without(ended.reason))
    if ended.detail:
        body["detail"] = _short(secrets.without(ended.detail))
    body["ran"] = _SAID_RAN[call.ran]
    body["delivered"] = ended.is_delivered
    _tell_result(ended, body, payload, keeping, secrets)
    body["seconds"] = _cut(ended.timings)
    return entry_of(body, at, payload=payload, principal=call.principal)


def has_intent(ended: Outcome) -> bool:
    """Whether the call's intent is in the record, with its arguments."""
    call = ended.call
    if call.is_answered or METHODS[call.method].is_list or not ended.timings:
        return False
    return next(reversed(ended.timings)) in AFTER_INTENT


def _asked(
    call: Call, body: dict[str, Json], keeping: Keeping, secrets: Secrets
) -> dict[str, Json]:
    """What was asked for, and what policy could know beside it. Kept beside the body."""
    arguments = arguments_of(call, keeping, secrets)
    if arguments.masked:
        body["masked"] = arguments.masked
    if not call.enriched:
        return {"arguments": arguments.content}
    enriched, masked = secrets.out_of(call.enriched) if secrets.texts else (call.enriched, ())
    if masked:
        body["masked_enriched"] = masked
    return {"arguments": arguments.content, "enriched": enriched}


def _tell_result(
    ended: Outcome,
    body: dict[str, Json],
    payload: dict[str, Json],
    keeping: Keeping,
    secrets: Secrets,
) -> None:
    """What came back: the digest of all of it; and, unless it was withheld, what it was.

    What an interceptor withheld or took out of a result is nowhere in the record: whoever may read
    the record may not therefore read that.
    """
    reply = ended.call.reply
    if reply is None:
        return
    body["result"] = {
        "sha256": hashlib.sha256(reply.body).hexdigest(),
        "bytes": len(reply.body),
        "error": reply.is_error,
        "failed": is_tool_error(reply),
    }
    kept = None if ended.is_refused else result_of(reply, body["target"], keeping, secrets)
    if kept is None:
        return
    payload["content"] = kept.content
    if kept.masked:
        body["masked_results"] = kept.masked
    if kept.has_repeats:
        body["masked_repeats"] = True


def _head(kind: str, call: Call, at: float, secrets: Secrets) -> dict[str, Json]:
    tool, name = call.tool, call.requested_name
    head: dict[str, Json] = {
        "format": FORMAT,
        "kind": kind,
        "call": call.id,
        "at": rfc3339(at),
        "received_at": rfc3339(call.received_at),
        "run": call.run,
        "principal": describe(call.principal).body if call.principal is not None else None,
        "name": name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}…",
        "target": tool.target if tool else call.route,
        "tool": tool.name if tool else (call.method if METHODS[call.method].is_list else None),
        "tool_sha256": tool.digest if tool else None,
        "era": _SAID_ERA[call.era],
        "session": call.session_id,
        "client": _client(call.client.info),
    }
    if call.meta:
        head["traceparent"] = _traceparent(call.meta.get("traceparent"))
    if call.method != CALL_TOOL:
        head["method"] = call.method
        head["name"] = secrets.without(head["name"])  # a URI, which is an argument, too
    if call.labels:
        head["labels"] = call.labels
    if call.onward:
        head["sent_headers"] = sorted(call.onward)  # names: what stands in them may be secret
    if call.asked_in is not None:
        head["asked_in"] = call.asked_in
    if call.follow_up is not None and call.follow_up.responses is not None:
        # What a person answered may be secret: that there were answers, and their digest.
        responses = call.follow_up.responses
        head["input"] = {
            "keys": sorted(responses),
            "sha256": hashlib.sha256(written(responses)).hexdigest(),
        }
    return head


def _cut(timings: dict[str, float]) -> dict[str, float]:
    """The seconds without what is below a tenth of a microsecond."""
    ticks = map(int, map(mul, timings.values(), repeat(TICKS)))
    return dict(zip(timings, map(truediv, ticks, repeat(TICKS)), strict=True))


def _client(info: dict[str, Json]) -> Json:
    """What the client calls itself: for display, so that it need not be whole."""
    said = written(info)
    if len(said) <= MAX_CLIENT_BYTES:
        return msgspec.Raw(said)
    return {key: str(info[key])[:200] for key in ("name", "version", "title") if key in info}


def _traceparent(said: Json) -> Json:
    return said if isinstance(said, str) and len(said) <= 128 else None


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARACTERS else f"{text[:MAX_TEXT_CHARACTERS]}…"


def _tell_decision(call: Call, body: dict[str, Json], keeping: Keeping, secrets: Secrets) -> None:
    """What policy said and when, and what interceptors did."""
    if call.decided_at is not None:
        body["decided_at"] = rfc3339(call.decided_at)
    body["decision"] = _decision(call, keeping.masks)
    if call.changes:
        body["changes"] = [_change(change, keeping, secrets) for change in call.changes]


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
    """The account without what is masked; of large values their beginning."""
    policies = [
        {**policy, "clauses": [_clause(clause, masks) for clause in policy["clauses"]]}
        for policy in account["policies"]
    ]
    return {**account, "policies": policies}


def _clause(clause: dict[str, Json], masks: Masks) -> dict[str, Json]:
    values = {
        read: MASKED if masks.hide(read) else shortened(value)
        for read, value in clause["values"].items()
    }
    return {**clause, "error": masks.plain(clause["error"]), "values": values}


def _change(change: Change, keeping: Keeping, secrets: Secrets) -> dict[str, Json]:
    told: dict[str, Json] = {
        "interceptor": change.interceptor,
        "phase": change.phase,
        "action": change.action,
        "paths": change.paths,
        "note": _short(secrets.without(change.note)),
        "seconds": round(change.duration_seconds, 7),
    }
    if change.patch:
        told["patch"] = [_operation(one, change.phase, keeping) for one in change.patch]
    if change.labels:
        told["labels"] = change.labels
    if change.mode != "enforce":
        told["mode"] = change.mode
    return told


def _operation(operation: dict[str, Json], phase: str, keeping: Keeping) -> dict[str, Json]:
    """One operation of a patch, its value masked where it stood at a masked place."""
    if "value" not in operation or not _is_hidden(operation["path"], phase, keeping):
        return operation
    return {**operation, "value": MASKED}


def _is_hidden(pointer: str, phase: str, keeping: Keeping) -> bool:
    path = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if phase == "request":
        return keeping.masks.meet(path)
    if not keeping.result_masks.paths:
        return False
    if path[:1] == ["structuredContent"]:
        return keeping.result_masks.meet(path[1:])
    return True  # a piece of a text: what it is a piece of cannot be said
