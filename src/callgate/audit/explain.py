"""One recorded call in words: who, what, what policy said, what happened, where it is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from callgate.audit.changes import done, in_milliseconds, listed
from callgate.audit.decisions import in_words
from callgate.audit.masks import MASKED
from callgate.model import Json, Value, qualify
from callgate.protocol.refusals import REFUSALS

MAX_SHOWN = 2_000  # characters of a result

Entries = Sequence[dict[str, Json]]
"""A call's recorded bodies in order, each with its place under `record`: {log, seq, hash}."""


class Section(Value):
    """Some facts that belong together, one a line."""

    title: str
    lines: tuple[str, ...]


class Explanation(Value):
    """Why a call ended as it did. All texts are safe to print: see `printable`."""

    call_id: str
    headline: str
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        parts = [f"Call {self.call_id}", self.headline]
        for section in self.sections:
            parts += ["", section.title, *(f"  {line}" for line in section.lines)]
        return "\n".join(parts)


def printable(text: object) -> str:
    """The text with everything written out that could fool a terminal or the eye: `\\x1b`."""
    said = str(text)
    if said.isprintable():
        return said
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in said)


def whole(entries: Entries) -> dict[str, Json]:
    """One call as one object: what its intent said, then what its outcome said.

    `code`, `ran` and `delivered` are None while there is no outcome. `records` are the places.
    """
    told: dict[str, Json] = {"code": None, "ran": None, "delivered": None}
    for entry in entries:
        told |= entry
    for only_of_one in ("kind", "record"):
        told.pop(only_of_one, None)
    told["records"] = [
        {"kind": entry["kind"], "at": entry["at"], **entry["record"]} for entry in entries
    ]
    return told


def began(call: dict[str, Json]) -> str:
    """When a call came in; where that was erased, when what is left of it was recorded."""
    return str(call.get("received_at") or call["at"])


def total_seconds(call: dict[str, Json]) -> float | None:
    """How long a call took, as `whole` has it; None while it is in flight."""
    stages = call.get("seconds")
    return sum(stages.values()) if isinstance(stages, dict) and stages else None


class Further(Value):
    """What others found out about a call: lines for sections of their own."""

    turning: tuple[str, ...] = ()  # what would have to differ
    sources: tuple[str, ...] = ()  # which earlier calls mattered
    account: dict[str, Json] | None = None  # clause by clause, where the record has none
    after_all: dict[str, Json] | None = None  # the event that says how it ended, if not as recorded


NOTHING_FURTHER = Further()


def explain(entries: Entries, further: Further = NOTHING_FURTHER) -> Explanation:
    """All that the record knows of one call. Needs at least one entry."""
    call = whole(entries)
    is_judged = bool(further.turning)
    sections = (
        ("Who", _who(call)),
        ("What", _what(call)),
        ("When", _when(call)),
        ("Policy", _policy(call, further.account, with_near=not is_judged)),
        ("What would change it", further.turning),
        ("What came from earlier calls", further.sources),
        ("Interceptors", done(call)),
        ("Outcome", (*_outcome(call), *_after_all(call, further.after_all))),
        ("Record", _places(entries)),
    )
    told = [(title, tuple(map(printable, lines))) for title, lines in sections]
    return Explanation(
        call_id=printable(call["call"]),
        headline=_headline(call),
        sections=tuple(Section(title=title, lines=lines) for title, lines in told if lines),
    )


def _policy(
    call: dict[str, Json], account: dict[str, Json] | None, *, with_near: bool
) -> Iterator[str]:
    decision = call.get("decision")
    if decision is None and "decision" not in call and call.get("erased"):
        yield "What policy said was erased."
        return
    if decision is not None and account is not None:
        decision = {"account": account, **decision}
    yield from in_words(decision, with_near=with_near)


def _headline(call: dict[str, Json]) -> str:
    code = call["code"]
    if code is None:
        return "In flight: its outcome is not recorded yet."
    if code == "ok":
        return "Let through."
    if call["ran"] == "yes":
        return f"Withheld ({printable(code)}): the tool ran, its result was kept back."
    if code == "interrupted":
        return "Interrupted: the gateway ended in the middle."
    return f"Refused ({printable(code)})."


def _who(call: dict[str, Json]) -> Iterator[str]:
    principal = call.get("principal")
    if "principal" not in call:
        yield "Who called was erased."
    elif principal is None:
        yield "Nobody: no proof of identity held."
    else:
        agent = principal.get("agent")
        yield f"The principal is {principal['id']}, known by {_proof(principal)}."
        yield f"The agent that acted for it is {agent}." if agent else "No agent is named."
        if principal.get("tenant"):
            yield f"The tenant is {principal['tenant']}."
        if principal.get("groups"):
            yield f"The groups are {listed(principal['groups'])}."
    client = call.get("client") or {}
    if client.get("name"):
        name = f"{client['name']} {client.get('version') or ''}".strip()
        yield f"The client calls itself {name}; that is not verified."
    if call.get("session"):
        yield f"The session is {call['session']}."
    if call.get("run"):
        yield f"The run is {call['run']}: `callgate review` shows it."


def _proof(principal: dict[str, Json]) -> str:
    issuer = principal.get("issuer")
    if principal["kind"] == "jwt":
        return f"a token of {issuer}"
    if principal["kind"] == "api_key":
        return f"an API key of {issuer}"
    return f"{principal['kind']} access"


def _what(call: dict[str, Json]) -> Iterator[str]:
    target, tool, method = call.get("target"), call.get("tool"), call.get("method")
    if method:
        yield from _method(call, target, method)
    elif target and tool:
        yield f"The tool is {qualify(target, tool)}: {tool} of the target {target}."
        if call.get("tool_sha256"):
            yield f"Its definition had the SHA-256 {call['tool_sha256']}."
    elif call.get("name"):
        yield f"The tool was asked for as {call['name']}; no such tool was found."
    else:
        yield "What was called was erased."
    if call.get("input"):
        keys = listed(call["input"]["keys"])
        yield f"The client sent answers to what the target had asked ({keys}); they are not kept."
    if "arguments" not in call:
        yield "The arguments are not in the record."
        return
    arguments = json.dumps(call["arguments"], ensure_ascii=False)
    if f'"{MASKED}"' in arguments:
        yield f'The arguments were {arguments}; "{MASKED}" stands for what is masked.'
    else:
        yield f"The arguments were {arguments}."
    if call.get("arguments_sha256"):
        yield f"As authorized, and unmasked, their SHA-256 is {call['arguments_sha256']}."


def _method(call: dict[str, Json], target: str | None, method: str) -> Iterator[str]:
    where = f" at the target {target}" if target else ""
    if call.get("asked_in"):
        yield f"The target {target} asked the client for {method} during call {call['asked_in']}."
    elif call.get("name") and call["name"] != method:
        yield f"The method is {method}{where}, for {call['name']}."
    else:
        yield f"The method is {method}{where}."


def _when(call: dict[str, Json]) -> Iterator[str]:
    if call.get("received_at"):
        yield f"The call came in at {call['received_at']}."
    if call["code"] is None:
        return
    yield f"Its outcome was recorded at {call['at']}."
    total = total_seconds(call)
    if total is None:
        return
    each = listed([f"{stage} {in_milliseconds(took)}" for stage, took in call["seconds"].items()])
    yield f"It took {in_milliseconds(total)}: {each}."


def _outcome(call: dict[str, Json]) -> Iterator[str]:
    code = call["code"]
    if code is None:
        yield "The call was about to be forwarded. Whether the tool has run is not known yet."
        yield "If its gateway has died, the next one to start will record it as interrupted."
        return
    if code != "ok":
        yield f"The code is {code}. {REFUSALS[code].meaning if code in REFUSALS else ''}".rstrip()
        if call.get("reason"):
            yield f"The reason given: {call['reason']}"
        if call.get("detail") and call["detail"] != call.get("reason"):
            yield f"The detail, for operators only: {call['detail']}"
    if call["ran"] is None:
        yield "How it came out further was erased."
        return
    ran = _ANSWERED if call.get("asked_in") else _REACHED if call.get("method") else _RAN
    yield ran.get(call["ran"], f"Whether the tool ran: {call['ran']}.")
    yield "The result was delivered." if call["delivered"] else _undelivered(call)
    result = call.get("result")
    if result is not None:
        what = "JSON-RPC error" if result.get("error") else "result"
        if result.get("failed"):
            yield "The target says that the tool failed."
        yield f"The {what} had {result['bytes']} bytes; its SHA-256 is {result['sha256']}."
    if call.get("content") is not None:
        content = json.dumps(call["content"], ensure_ascii=False)
        more = f"… ({len(content)} characters)" if len(content) > MAX_SHOWN else ""
        yield f"It was {content[:MAX_SHOWN]}{more}"
    elif call.get("payload_omitted"):
        size = call["payload_omitted"]
        yield f"The contents ({size} bytes) lie elsewhere, and were not looked up."


_RAN = {
    "yes": "The tool ran.",
    "no": "The tool did not run.",
    "unknown": "Whether the tool ran is not known: it may have.",
}
_REACHED = {  # other methods than tools/call
    "yes": "The target answered.",
    "no": "No target was asked.",
    "unknown": "Whether the target did what was asked is not known: it may have.",
}
_ANSWERED = {  # what targets ask of clients
    "yes": "The question went to the client.",
    "no": "The client was not asked.",
    "unknown": "Whether the client was asked is not known: it may have been.",
}


def _after_all(call: dict[str, Json], said: dict[str, Json] | None) -> Iterator[str]:
    if said is None:
        return
    how = "what that says was erased" if said.get("erased") else said.get("code")
    yield (
        "Its gateway had not died: it was cut off from the record for a while, and has recorded"
        f" since how the call did end (event {said['call']}): {how}."
    )
    if said.get("erased"):
        return
    ran = _ANSWERED if call.get("asked_in") else _REACHED if call.get("method") else _RAN
    yield ran.get(str(said.get("ran")), f"Whether the tool ran: {said.get('ran')}.")
    yield "The result was delivered." if said.get("delivered") else "No result was delivered."


def _undelivered(call: dict[str, Json]) -> str:
    if call["code"] == "ok":
        return "The result was not delivered: the caller had hung up."
    return "No result was delivered."


def _places(entries: Entries) -> Iterator[str]:
    for entry in entries:
        place = entry["record"]
        where = f"record {place['seq']} of log {place['log']}" if "log" in place else "kept"
        yield f"The {entry['kind']} is {where}, hash {place.get('hash')}."
        if entry.get("erased"):
            yield f"What the {entry['kind']} said in full was erased; its digests remain."
        elif entry.get("payload_lost"):
            why = entry["payload_lost"].get("why")
            yield f"What the {entry['kind']} said in full is lost: {why}."
