"""One function per parser of protocol/: takes any bytes, fails where a promise is broken.

Run by `fuzz.run` on what atheris makes up, and by `test_corpus.py` on what was kept of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

from callgate.model import Era, Json
from callgate.protocol import effort as effort_rules
from callgate.protocol import outbound as wire
from callgate.protocol.bridge import deliverable, modern_status, url_required
from callgate.protocol.definitions import Unusable, digest, read_tool
from callgate.protocol.framing import (
    BOM,
    MESSAGE,
    RUNAWAY_FACTOR,
    Event,
    Events,
    FramingError,
    Line,
    Lines,
)
from callgate.protocol.headers import (
    METHOD,
    NAME,
    NAME_FIELDS,
    VERSION,
    check_params,
    check_routing,
    decode_value,
    encode_value,
    mirrored,
    param_headers,
)
from callgate.protocol.http1 import MAX_HEAD_BYTES, Head, HttpError, ResponseParser
from callgate.protocol.jsonrpc import Malformed, Message, encode, parse_json, read_message
from callgate.protocol.mcp import is_tool_error
from callgate.protocol.negotiation import (
    Undecided,
    era_over_http,
    read_discovered,
    read_initialized,
)
from callgate.protocol.origins import Guard
from fakes.calls import a_call, a_tool
from fuzz.http_requests import http_requests

STEPS = (2, 3, 7, 1 << 20)
STATUSES = (200, 202, 400, 401, 404, 405, 429, 500)
LINE_END = re.compile(rb"\r\n|\r|\n")


def chunks(stream: bytes, step: int) -> Iterator[bytes]:
    """The stream in pieces of `step` bytes."""
    return (stream[start : start + step] for start in range(0, len(stream), step))


def held(parser: object) -> int:
    """How much a parser keeps: bytes and characters, and one for every place in a container."""
    size = 0
    pending: list[object] = [vars(parser)]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            size += len(item)
            pending.extend(item)
        elif isinstance(item, bytes | bytearray | str):
            size += len(item)
    return size


class _EventsRead(NamedTuple):
    found: list[Event]
    is_refused: bool
    last_id: str | None
    retry_seconds: float | None


def events(data: bytes) -> None:
    """The first byte is the bound, the rest a text/event-stream."""
    most, stream = max([1, *data[:1]]), data[1:]
    bytewise = _read_events(stream, 1, most)
    for step in STEPS:
        read = _read_events(stream, step, most)
        assert read.is_refused == bytewise.is_refused
        if read.is_refused:  # with the chunk that breaks the bound go the events before it
            assert read.found == bytewise.found[: len(read.found)]
        else:
            assert read == bytewise
    if not bytewise.is_refused:
        assert bytewise.found == _events_by_the_standard(stream)
        messages = [event.data for event in bytewise.found if event.name == MESSAGE]
        assert Events(most).feed(stream) == messages
    assert all(0 < len(event.data) <= most for event in bytewise.found)


def _read_events(stream: bytes, step: int, most: int) -> _EventsRead:
    parser, found = Events(most), []
    for chunk in chunks(stream, step):
        try:
            found += parser.feed_named(chunk)
        except FramingError:
            return _EventsRead(found, True, None, None)
        assert held(parser) <= 4 * most + 16
    return _EventsRead(found, False, parser.last_id, parser.retry_seconds)


def _events_by_the_standard(stream: bytes) -> list[Event]:
    """WHATWG HTML, "Interpreting an event stream", on the whole stream at once."""
    found, data, name = [], list[bytes](), b""
    for line in LINE_END.split(stream.removeprefix(BOM))[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        if not line:
            found.append(Event(name.decode("utf-8", "replace") or MESSAGE, b"\n".join(data)))
            data, name = [], b""
    return [event for event in found if event.data]


def lines(data: bytes) -> None:
    """The first byte is the bound, the rest newline-delimited messages."""
    most, stream = max([1, *data[:1]]), data[1:]
    whole = stream.split(b"\n")
    is_runaway = any(len(line) > most * RUNAWAY_FACTOR for line in whole)
    expected = [
        Line(line[:most], True) if len(line) > most else Line(line.rstrip(b"\r"))
        for line in whole[:-1]
        if len(line) > most or line.rstrip(b"\r")
    ]
    for step in (1, *STEPS):
        found, is_refused = _read_lines(stream, step, most)
        assert is_refused == is_runaway
        assert found == expected[: len(found)]
        assert is_refused or len(found) == len(expected)


def _read_lines(stream: bytes, step: int, most: int) -> tuple[list[Line], bool]:
    parser, found = Lines(most), []
    for chunk in chunks(stream, step):
        try:
            found += parser.feed(chunk)
        except FramingError:
            return found, True
        assert held(parser) <= 2 * (most + len(chunk)) + 16
    return found, False


class _ResponseRead(NamedTuple):
    body: bytes
    is_refused: bool
    head: Head | None = None
    is_complete: bool = False
    is_reusable: bool = False
    may_end: bool = False


def http1(data: bytes) -> None:
    """An HTTP/1.1 response, and what comes after it."""
    bytewise = _read_response(data, 1)
    for step in STEPS:
        read = _read_response(data, step)
        assert read.is_refused == bytewise.is_refused
        if read.is_refused:  # with the chunk that breaks the rules goes the body before it
            assert bytewise.body.startswith(read.body)
        else:
            assert read == bytewise


def _read_response(stream: bytes, step: int) -> _ResponseRead:
    parser, body = ResponseParser(), b""
    for chunk in chunks(stream, step):
        try:
            body += b"".join(parser.feed(chunk))
        except HttpError:
            assert not parser.is_complete
            assert not parser.is_reusable
            return _ResponseRead(body, True)
        assert held(parser) <= MAX_HEAD_BYTES + len(chunk) + 16
    head, is_complete, is_reusable = parser.head, parser.is_complete, parser.is_reusable
    assert is_complete or not is_reusable
    assert head is not None or not is_complete
    try:
        parser.end()
    except HttpError:
        assert not is_complete
        return _ResponseRead(body, False, head, is_complete, is_reusable)
    assert parser.is_complete
    return _ResponseRead(body, False, head, is_complete, is_reusable, may_end=True)


def jsonrpc(data: bytes) -> None:
    """A message from an agent."""
    try:
        value = parse_json(data)
    except Malformed:
        return
    assert value == json.loads(data, object_pairs_hook=_without_duplicates)
    assert parse_json(encode(value)) == value
    try:
        message = read_message(value)
    except Malformed:
        return
    assert message.is_response == (message.method is None)
    assert type(message.id) in (int, str) or "id" not in value
    assert isinstance(message.params, dict)


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _duplicates(body: bytes) -> int:
    """How many members of objects nobody sees who reads the last of each name."""
    hidden = 0

    def count(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        nonlocal hidden
        hidden += len(pairs) - len(dict(pairs))
        return dict(pairs)

    json.loads(body, object_pairs_hook=count)
    return hidden


def header_values(data: bytes) -> None:
    """The value of a routing header; also as the text that one is made of."""
    said = decode_value(data.decode("latin-1"))
    for text in (said, data.decode("utf-8", "replace")):
        if text is not None:
            value = encode_value(text)
            assert value.isascii()
            assert value.isprintable()
            assert value == value.strip()
            assert decode_value(value) == text


def routing(data: bytes) -> None:
    """Lines: method, version and item of the body, then routing headers."""
    method, version, item, *sent = [*data.decode("latin-1").split("\n"), "", ""][:8]
    headers: dict[str, list[str]] = {}
    for line in sent:
        name, _, value = line.partition(": ")
        headers.setdefault(name, []).append(value)
    params = {NAME_FIELDS.get(method, "name"): item} if item else {}
    try:
        check_routing(Message(id=1, method=method, params=params), version, headers)
    except Malformed:
        return
    expected = {VERSION: version, METHOD: method}
    if method in NAME_FIELDS:
        expected[NAME] = item
    for name, text in expected.items():
        assert text or name != NAME
        assert [decode_value(value) for value in headers[name]] == [text]


def mirroring(data: bytes) -> None:
    """`{"schema": …, "arguments": …}`: what we send passes our own check, less does not."""
    given = _parsed(data)
    try:
        paths = mirrored(given.get("schema"))
    except ValueError:
        return
    arguments = given.get("arguments")
    made = {name.lower(): [text] for name, text in param_headers(paths, arguments).items()}
    message = Message(id=1, method="tools/call", params={"arguments": arguments})
    check_params(message, paths, made)
    for name in made:
        _check_refused(message, paths, {key: made[key] for key in made if key != name})
        _check_refused(message, paths, made | {name: [*made[name], "x"]})
        _check_refused(message, paths, made | {name: [made[name][0] + "\xe9"]})


def _check_refused(
    message: Message, paths: Mapping[tuple[str, ...], str], headers: Mapping[str, list[str]]
) -> None:
    try:
        check_params(message, paths, headers)
    except Malformed:
        return
    raise AssertionError(f"{headers} taken for the headers of {message.params}")


def _parsed(data: bytes) -> dict[str, Json]:
    """The JSON object in the data, as a target's bytes are read; empty where there is none."""
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}


def outbound(data: bytes) -> None:
    """A message from a target."""
    try:
        message = wire.read_message(data)
    except wire.WireError:
        return
    json.loads(data)
    assert isinstance(wire.read_params(message), dict)
    for read in (wire.read_fault, wire.read_result):
        _try_reading(read, message)
    try:
        reply = wire.cut_reply(message)
    except wire.WireError:
        return
    assert reply.body in data
    result = json.loads(reply.body)
    assert isinstance(result, dict)
    assert is_tool_error(reply) == (reply.is_error or result.get("isError") is True)


def _try_reading(read: Callable[[wire.Message], object], message: wire.Message) -> None:
    try:
        read(message)
    except wire.WireError:
        return


def delivery(data: bytes) -> None:
    """The first byte chooses who asked for what, the rest is what a target answers."""
    choice = data[0] if data else 0
    call = a_call(
        era=Era.MODERN if choice & 1 else Era.LEGACY,
        method="resources/read" if choice & 2 else "tools/call",
        route="shop" if choice & 4 else None,
        tool=a_tool(),
        arguments={"uri": "demo://a"},
        requested_name="shop+demo://a",
    )
    try:
        reply = wire.cut_reply(wire.read_message(data[1:]))
    except wire.WireError:
        return
    sent = deliverable(call, reply).body
    given, said = json.loads(reply.body), json.loads(sent)
    assert set(given) <= set(said)
    assert _duplicates(sent) <= _duplicates(reply.body)
    if reply.is_error:
        url_required(reply)
        assert modern_status(sent) >= 200
    elif call.era is Era.MODERN:
        assert isinstance(said["resultType"], str)


def negotiation(data: bytes) -> None:
    """The first byte is an HTTP status, the rest what a target answers to an opening question."""
    status = STATUSES[data[0] % len(STATUSES)] if data else 200
    try:
        message = wire.read_message(data[1:])
    except wire.WireError:
        return
    try:
        assert isinstance(era_over_http(status, message), Era)
    except Undecided as undecided:
        assert undecided.status == status
    except wire.WireError:
        assert status in (200, 400, 404, 405)
    for read in (read_discovered, read_initialized):
        _try_reading(read, message)


def definitions(data: bytes) -> None:
    """One entry of tools/list."""
    definition = _parsed(data)
    try:
        tool = read_tool("shop", definition)
    except Unusable:
        return
    assert tool.definition is definition
    assert tool.digest == digest(_turned_round(definition))
    assert tool.input_schema.get("type", "object") == "object"


def _turned_round(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _turned_round(item) for key, item in reversed(value.items())}
    return [_turned_round(item) for item in value] if isinstance(value, list) else value


def effort(data: bytes) -> None:
    """`{"schema": …, "value": …}`: what may be checked is checked soon, or the run is stopped."""
    given = _parsed(data)
    schema, value = given.get("schema", True), given.get("value")
    try:
        limit = effort_rules.max_depth(schema)
    except effort_rules.TooMuch:
        return
    depth = effort_rules.depth_of(value, 1000)
    assert effort_rules.depth_of(value, 2) == min(depth, 3)
    if limit is not None and depth > limit:
        return
    try:
        jsonschema_rs.validator_for(schema, offline=True).is_valid(value)
    except (ValueError, jsonschema_rs.ReferencingError, TypeError):
        return  # no schema, as the compiler says


def origins(data: bytes) -> None:
    """Lines: Host headers, and the same as Origin headers."""
    sent = data.decode("latin-1").split("\n")
    for is_loopback in (False, True):
        guard = Guard.of(
            allowed_hosts=["gate.example"],
            allowed_origins=["https://app.example"],
            is_loopback=is_loopback,
            admits_local_pages=True,
        )
        if guard.may_reach(sent):
            assert len(sent) == 1
            assert re.search(r"gate\.example|localhost|127|::1|::ffff:7f", sent[0].lower())
        if guard.may_originate(sent):
            assert all("://" in origin for origin in sent)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        events,
        lines,
        http1,
        jsonrpc,
        header_values,
        routing,
        mirroring,
        outbound,
        delivery,
        negotiation,
        definitions,
        effort,
        origins,
        http_requests,
    )
}
