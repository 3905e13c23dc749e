"""Every trap of Cedar that is known to us, as a call to a running gateway: none lets a call through.

Each trap has a tool of its own at one target over HTTP, and policies that speak of just that tool.
What reached the target is compared byte for byte, and the record is asked what it says.
"""

from __future__ import annotations

import base64
import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

import jwt
import pytest

from callgate.protocol.refusals import META_KEY
from fakes.apart import apart
from fakes.http_target import DONE, HttpTarget, Seen, Talk, modern
from fakes.running import META, Running, fetch, running

pytestmark = pytest.mark.e2e

SECRET = "0123456789abcdef" * 4
ISSUER = "https://idp.example"
CONFIG = """
identity:
  anonymous: true
  jwt: [{{issuer: "{issuer}", audience: [gw], secret: "${{env:TRAP_SECRET}}", algorithms: [HS256]}}]
targets:
  t: {{url: "{url}"}}
policies: {{files: ["*.cedar"]}}
gateway: {{max_depth: 64}}
"""
NOT_PERMITTED, ERROR, INVALID = "not_permitted", "policy_error", "invalid_arguments"
UNFIT = "not_permitted: does not fit the tool's schema"  # a policy that could matter does not
MALFORMED = "malformed"  # no call at all: the message is not taken
BIG = 9007199254740991  # the largest integer that every JSON reader holds exactly


def fields(required: str = "", **types: Any) -> dict[str, Any]:
    """An input schema; a type by its name, or a whole subschema."""
    properties = {n: {"type": of} if isinstance(of, str) else of for n, of in types.items()}
    return {"type": "object", "properties": properties, "required": required.split()}


@dataclass(frozen=True)
class Trap:
    """A tool, what policies say of it, and what must become of calls: arguments → outcome.

    `PERMIT` and `FORBID` in the policies stand for the head of one on this tool. An outcome is a
    refusal code, or a dict: what reaches the target.
    """

    schema: dict[str, Any]
    policies: str
    calls: tuple[tuple[str, Any], ...]
    name: str = ""  # of the tool, where it matters
    claims: dict[str, Any] | None = None  # None: without a token


ANY = "PERMIT;"
OVER_1000 = ANY + "FORBID when { context.input.amount > 1000 };"

TRAPS: dict[str, Trap] = {
    # A forbid that errs is skipped by Cedar. Here it refuses.
    "forbid_reads_what_may_be_absent": Trap(
        fields(amount="integer"), OVER_1000, (('{"amount": 5000}', UNFIT), ("{}", UNFIT))
    ),
    "forbid_compares_two_types": Trap(
        fields("amount", amount="integer"),
        ANY + 'FORBID when { context.input.amount == "5000" };',
        (('{"amount": 5000}', UNFIT),),
    ),
    "forbid_overflows": Trap(
        fields("amount", amount="integer"),
        ANY + f"FORBID when {{ context.input.amount * {BIG} > 1000 }};",
        ((f'{{"amount": {BIG}}}', ERROR), ('{"amount": 0}', {"amount": 0})),
    ),
    "permit_overflows_beside_another": Trap(
        fields("amount", amount="integer"),
        ANY + f"PERMIT when {{ context.input.amount * {BIG} > 1000 }};",
        ((f'{{"amount": {BIG}}}', ERROR), ('{"amount": 1}', {"amount": 1})),
    ),
    "forbid_reads_an_entity_that_is_not_there": Trap(
        fields(),
        ANY + 'FORBID when { Callgate::OAuthUser::"ghost".issuer == "x" };',
        (("{}", ERROR),),
    ),
    "forbid_reads_an_attribute_that_principals_may_lack": Trap(
        fields(), ANY + 'FORBID when { principal.tenant == "evil" };', (("{}", UNFIT),)
    ),
    "forbid_reads_a_tag_that_principals_may_lack": Trap(
        fields(), ANY + 'FORBID when { principal.getTag("role") == "evil" };', (("{}", UNFIT),)
    ),
    "a_string_is_in_no_set": Trap(
        fields("s", s="string"),
        ANY + 'FORBID when { context.input.s in ["evil"] };',
        (('{"s": "evil"}', UNFIT), ('{"s": "good"}', UNFIT)),
    ),
    "a_string_in_a_set_said_rightly": Trap(
        fields("s", s="string"),
        ANY + 'FORBID when { ["evil"].contains(context.input.s) };',
        (('{"s": "evil"}', NOT_PERMITTED), ('{"s": "good"}', {"s": "good"})),
    ),
    # Cedar JSON has escapes that make entities, extension values, and unknowns of arguments.
    "an_argument_is_an_unknown": Trap(
        fields(x={}),
        ANY + 'FORBID when { context.input has x && context.input.x.json like "*evil*" };',
        (
            ('{"x": {"__extn": {"fn": "unknown", "arg": "evil"}}}', INVALID),
            ('{"x": [{"deep": [{"__extn": "evil"}]}]}', INVALID),
            ('{"x": {"\\u005f_extn": 1}}', INVALID),
            ('{"x": {"fn": "unknown", "arg": "evil"}}', NOT_PERMITTED),
            ('{"x": {"fn": "unknown"}}', {"x": {"fn": "unknown"}}),
        ),
    ),
    "an_argument_is_an_entity": Trap(
        fields(x={}),
        'PERMIT when { context.input has x && context.input.x.json like "*good*" };',
        (
            ('{"x": {"__entity": {"type": "Callgate::Group", "id": "good"}}}', INVALID),
            ('{"x": {"__expr": "good"}}', INVALID),
            ('{"x": {"type": "Callgate::Group", "id": "x"}}', NOT_PERMITTED),
            ('{"x": {"type": "T", "id": "good"}}', {"x": {"type": "T", "id": "good"}}),
        ),
    ),
    "an_unknown_where_a_record_is_declared": Trap(
        fields(x=fields("y", y="string")),
        ANY + 'FORBID unless { context.input has x && context.input.x.y == "ok" };',
        (
            ('{"x": {"__extn": {"fn": "unknown", "arg": "z"}}}', INVALID),
            ('{"x": {"y": "ok", "__entity": 1}}', INVALID),
            ('{"x": {"y": "no"}}', NOT_PERMITTED),
            ('{"x": {"y": "ok"}}', {"x": {"y": "ok"}}),
        ),
    ),
    "an_argument_is_declared_under_a_reserved_name": Trap(
        fields(x="string", **{"__extn": "string"}),
        ANY,
        (('{"__extn": "x"}', INVALID), ('{"x": "a"}', {"x": "a"})),
    ),
    # Groups of actions exist only where the entities were made with the schema.
    "forbid_on_the_group_of_a_target": Trap(
        fields(),
        ANY + 'forbid (principal, action in Callgate::Action::"t", resource) '
        'when { action == Callgate::Action::"TOOL" };',
        (("{}", NOT_PERMITTED),),
    ),
    "forbid_on_all_tools_in_a_condition": Trap(
        fields(),
        ANY + 'FORBID when { action in Callgate::Action::"CallTool" };',
        (("{}", NOT_PERMITTED),),
    ),
    # A principal or group that is no entity makes group forbids vanish.
    "forbid_on_a_group_of_the_token": Trap(
        fields(),
        ANY + 'forbid (principal in Callgate::Group::"contractors", ACTION, resource);',
        (("{}", NOT_PERMITTED),),
        claims={"groups": ["a", "contractors"]},
    ),
    "forbid_on_a_group_in_a_condition": Trap(
        fields(),
        ANY + 'FORBID when { principal in Callgate::Group::"contractors" };',
        (("{}", NOT_PERMITTED),),
        claims={"groups": "contractors"},
    ),
    "forbid_unless_in_a_group_that_nobody_is_in": Trap(
        fields(),
        ANY + 'FORBID unless { principal in Callgate::Group::"finance" };',
        (("{}", NOT_PERMITTED),),
    ),
    "a_group_that_another_principal_brings": Trap(
        fields(),
        ANY + 'FORBID unless { principal in Callgate::Group::"finance" };',
        (("{}", {}),),
        claims={"groups": ["finance"]},
    ),
    "a_claim_is_an_unknown": Trap(
        fields(),
        ANY + 'FORBID when { principal.hasTag("dept") && principal.getTag("dept") like "*evil*" };',
        (("{}", NOT_PERMITTED),),
        claims={"dept": {"__extn": {"fn": "unknown", "arg": "evil"}}},
    ),
    "the_name_of_a_principal_is_no_policy": Trap(
        fields(),
        ANY + 'forbid (principal == Callgate::OAuthUser::"eve\\"); //", ACTION, resource);',
        (("{}", NOT_PERMITTED),),
        claims={"sub": 'eve"); //'},
    ),
    "the_name_of_a_group_is_no_policy": Trap(
        fields(),
        ANY + 'FORBID when { principal in Callgate::Group::"x\\" || true || \\"" };',
        (("{}", {}),),
        claims={"groups": ["x"]},
    ),
    # Numbers: each exact, or the call refused.
    "integers": Trap(
        fields("amount", amount="integer"),
        OVER_1000,
        (
            ('{"amount": 1000.0}', {"amount": 1000.0}),
            ('{"amount": 1e3}', {"amount": 1e3}),
            ('{"amount": 1001.0}', NOT_PERMITTED),
            ('{"amount": 5e3}', NOT_PERMITTED),
            ('{"amount": 1000.5}', INVALID),
            ('{"amount": "5000"}', INVALID),
            ('{"amount": true}', INVALID),
            ('{"amount": null}', INVALID),
            ('{"amount": [5000]}', INVALID),
            ('{"amount": -5}', {"amount": -5}),
            ('{"amount": 9223372036854775808}', MALFORMED),
            ('{"amount": 1e400}', MALFORMED),
            ('{"amount": 1e30}', NOT_PERMITTED),
            ('{"amount": NaN}', MALFORMED),
            ('{"amount": -Infinity}', MALFORMED),
            ('{"amount": 0x10}', MALFORMED),
        ),
    ),
    "decimals": Trap(
        fields("rate", rate="number"),
        ANY + 'FORBID when { context.input.rate.greaterThan(decimal("9.5")) };',
        (
            ('{"rate": 9.5}', {"rate": 9.5}),
            ('{"rate": 9}', {"rate": 9}),
            ('{"rate": 9.5000}', {"rate": 9.5}),
            ('{"rate": 9.5001}', NOT_PERMITTED),
            ('{"rate": 95e-1}', {"rate": 9.5}),
            ('{"rate": 1.00001}', NOT_PERMITTED),
            ('{"rate": 0.1}', {"rate": 0.1}),
            ('{"rate": 922337203685478}', NOT_PERMITTED),
            ('{"rate": -922337203685478}', NOT_PERMITTED),
            ('{"rate": "9.5"}', INVALID),
            ('{"rate": true}', INVALID),
        ),
    ),
    "numbers_that_no_policy_reads_are_no_matter": Trap(
        fields("rate", rate="number", s="string"),
        'PERMIT when { context.input has s && context.input.s == "ok" };',
        (('{"rate": 1.00001, "s": "ok"}', {"rate": 1.00001, "s": "ok"}),),
    ),
    # JSON that two readers read in two ways.
    "json_is_read_in_one_way": Trap(
        fields("amount", amount="integer", s="string", x={}),
        OVER_1000,
        (
            ('{"amount": 5000, "amount": 5}', MALFORMED),
            ('{"amount": 5, "\\u0061mount": 5000}', MALFORMED),
            ('{"amount": 5, "x": {"k": 1, "k": 2}}', MALFORMED),
            ('{"amount": 5, "s": "\\ud800"}', MALFORMED),
            ('{"amount": 5, "s": "a\\u0000b"}', MALFORMED),
            ('{"amount": 5, "x": ' + "[" * 100 + "]" * 100 + "}", MALFORMED),
            ('{"amount": 5, "x": ' + '{"a":' * 200 + "1" + "}" * 200 + "}", MALFORMED),
            ('{"amount": 5,}', MALFORMED),
            ('{"amount": 05}', MALFORMED),
            (
                '{ "\\u0061mount" :\t5 , "s" : "\\u00e9\\/" }',
                {"amount": 5, "s": "é/"},
            ),
        ),
    ),
    # What JSON Schema leaves open.
    "null_is_absent_and_visible": Trap(
        fields("x", x={"type": ["string", "null"]}, y="string"),
        ANY + 'FORBID when { context.input has x && context.input.x == "evil" };'
        'FORBID when { context.meta.nulls.contains("y") };',
        (
            ('{"x": null}', {"x": None}),
            ('{"x": "evil"}', NOT_PERMITTED),
            ('{"x": "good", "y": null}', NOT_PERMITTED),
            ('{"y": "a"}', INVALID),
        ),
    ),
    "keys_that_nobody_declared": Trap(
        fields(x="string"),
        ANY + "FORBID unless { context.meta.extra.isEmpty() };",
        (
            ('{"x": "a"}', {"x": "a"}),
            ('{"x": "a", "admin": true}', NOT_PERMITTED),
            ('{"X": "a"}', NOT_PERMITTED),
        ),
    ),
    "keys_that_a_closed_schema_refuses": Trap(
        {**fields(x="string"), "additionalProperties": False},
        ANY,
        (('{"x": "a", "admin": true}', INVALID), ('{"x": "a"}', {"x": "a"})),
    ),
    "an_absent_argument_satisfies_no_condition": Trap(
        fields(tenant="string"),
        ANY + 'FORBID unless { context.input has tenant && context.input.tenant == "acme" };',
        (
            ("{}", NOT_PERMITTED),
            ('{"tenant": "other"}', NOT_PERMITTED),
            ('{"tenant": "acme"}', {"tenant": "acme"}),
        ),
    ),
    "arrays_are_sets_and_go_on_as_they_came": Trap(
        fields("to", to={"type": "array", "items": {"type": "string"}}),
        ANY + 'FORBID when { context.input.to.contains("evil") };',
        (
            ('{"to": ["b", "a", "b"]}', {"to": ["b", "a", "b"]}),
            ('{"to": ["a", "evil", "a"]}', NOT_PERMITTED),
            ('{"to": ["a", 5]}', INVALID),
            ('{"to": ["a", null]}', INVALID),
            ('{"to": {"0": "evil"}}', INVALID),
        ),
    ),
    "enumerations_are_texts": Trap(
        fields("mode", mode={"enum": ["dry", "wet"]}),
        ANY + 'FORBID when { context.input.mode == "wet" };',
        (
            ('{"mode": "wet"}', NOT_PERMITTED),
            ('{"mode": "WET"}', INVALID),
            ('{"mode": "dry"}', {"mode": "dry"}),
        ),
    ),
    "one_of_several_types": Trap(
        fields("x", x={"type": ["string", "integer"]}),
        ANY + 'FORBID when { context.input.x has string && context.input.x.string == "9" };'
        "FORBID when { context.input.x has integer && context.input.x.integer > 8 };",
        (
            ('{"x": "9"}', NOT_PERMITTED),
            ('{"x": 9}', NOT_PERMITTED),
            ('{"x": 9.0}', NOT_PERMITTED),
            ('{"x": "10"}', {"x": "10"}),
            ('{"x": 8}', {"x": 8}),
            ('{"x": true}', INVALID),
        ),
    ),
    "what_has_no_type_is_canonical_text": Trap(
        fields("x", x={"type": "array", "items": {"type": "object"}}),
        ANY + 'FORBID when { context.input.x.json like "*\\"admin\\":true*" };',
        (
            ('{"x": [{ "admin" : true }]}', NOT_PERMITTED),
            ('{"x": [{"\\u0061dmin":true}]}', NOT_PERMITTED),
            ('{"x": [{"admin": false}]}', {"x": [{"admin": False}]}),
        ),
    ),
    "wide_and_recursive_types_are_not_dropped": Trap(
        {
            **fields("tree", tree={"$ref": "#/$defs/tree"}),
            "$defs": {"tree": fields(label="string", child={"$ref": "#/$defs/tree"})},
        },
        ANY + "FORBID when { context.input.tree has child && "
        'context.input.tree.child.json like "*evil*" };',
        (
            ('{"tree": {"child": {"child": {"label": "evil"}}}}', NOT_PERMITTED),
            ('{"tree": {"child": {"label": "good"}}}', {"tree": {"child": {"label": "good"}}}),
        ),
    ),
    # Names.
    'del-ete it, "now"': Trap(
        fields("x-y", **{"x-y": "integer", "if": "integer", "a.b": "integer", 'q"': "integer"}),
        ANY + 'FORBID when { context.input["x-y"] > 8 };'
        'FORBID when { context.input has "if" && context.input["if"] > 8 };'
        'FORBID when { context.input has "a.b" && context.input["a.b"] > 8 };'
        'FORBID when { context.input has "q\\"" && context.input["q\\""] > 8 };',
        (
            ('{"x-y": 9}', NOT_PERMITTED),
            ('{"x-y": 8, "if": 9}', NOT_PERMITTED),
            ('{"x-y": 8, "a.b": 9}', NOT_PERMITTED),
            ('{"x-y": 8, "q\\"": 9}', NOT_PERMITTED),
            ('{"x-y": 8, "q\\"": 8}', {"x-y": 8, 'q"': 8}),
        ),
        name='del-ete it, "now"',
    ),
    "naïve": Trap(
        fields("ключ", **{"ключ": "string"}),
        ANY + 'FORBID when { context.input["ключ"] == "нет" };',
        (('{"ключ": "нет"}', NOT_PERMITTED), ('{"ключ": "да"}', {"ключ": "да"})),
        name="naïve",
    ),
    "properties_named_like_cedar": Trap(
        fields(
            **{name: "string" for name in ("principal", "context", "in", "has", "__cedar", "true")}
        ),
        ANY + 'FORBID when { context.input has "in" && context.input["in"] == "evil" };'
        'FORBID when { context.input has principal && context.input.principal == "evil" };',
        (
            ('{"in": "evil"}', NOT_PERMITTED),
            ('{"principal": "evil"}', NOT_PERMITTED),
            ('{"true": "evil", "context": "c"}', {"true": "evil", "context": "c"}),
        ),
    ),
    # Size.
    "long_texts_are_matched_in_time": Trap(
        fields("s", s="string"),
        ANY + 'FORBID when { context.input.s like "*a*b*c*d*e*f*g*h*evil" };',
        (
            (json.dumps({"s": "abcdefgh" * 100_000}), {"s": "abcdefgh" * 100_000}),
            (json.dumps({"s": "abcdefgh" * 100_000 + "evil"}), NOT_PERMITTED),
        ),
    ),
    # What a text leads to, rather than how it is written.
    "paths": Trap(
        fields("path", path="string"),
        "PERMIT when { context.derived.path has path && "
        'context.derived.path.path like "/data/*" && '
        "context.derived.path has has_backslash && !context.derived.path.has_backslash };",
        (
            ('{"path": "/data/a"}', {"path": "/data/a"}),
            ('{"path": "/data/x/.././/a"}', {"path": "/data/x/.././/a"}),
            ('{"path": "/data/../etc/passwd"}', NOT_PERMITTED),
            ('{"path": "/data/x/../../etc/passwd"}', NOT_PERMITTED),
            ('{"path": "/data/..\\\\..\\\\etc"}', NOT_PERMITTED),
            ('{"path": "//data/../etc"}', NOT_PERMITTED),
            ('{"path": "data/a"}', NOT_PERMITTED),
            ('{"path": "/data"}', NOT_PERMITTED),
            ('{"path": "/etc/passwd"}', NOT_PERMITTED),
            # A path is no URL: this is a directory whose name is `%2e%2e`.
            ('{"path": "/data/%2e%2e/x"}', {"path": "/data/%2e%2e/x"}),
        ),
    ),
    "paths_that_are_many": Trap(
        fields("paths", paths={"type": "array", "items": {"type": "string"}}),
        "PERMIT when { context.derived.paths has common_path && "
        'context.derived.paths.common_path like "/data/*" };',
        (
            ('{"paths": ["/data/a/b", "/data/a/c"]}', {"paths": ["/data/a/b", "/data/a/c"]}),
            ('{"paths": ["/data/a/b", "/data/a/../../etc/passwd"]}', NOT_PERMITTED),
            ('{"paths": ["/data/a/b", "/etc/passwd"]}', NOT_PERMITTED),
            ('{"paths": []}', NOT_PERMITTED),
        ),
    ),
    "urls": Trap(
        fields("url", url="string"),
        'PERMIT when { context.derived.url has host && context.derived.url.host == "good.example" };',
        (
            ('{"url": "https://good.example/a?b"}', {"url": "https://good.example/a?b"}),
            ('{"url": "https://GOOD.example:443/"}', {"url": "https://GOOD.example:443/"}),
            ('{"url": "https://good.example@evil.example/"}', NOT_PERMITTED),
            ('{"url": "https://good.example.evil.example/"}', NOT_PERMITTED),
            ('{"url": "https://evil.example/https://good.example/"}', NOT_PERMITTED),
            ('{"url": "https://evil.example#@good.example/"}', NOT_PERMITTED),
            ('{"url": "https://evil.example\\\\@good.example/"}', NOT_PERMITTED),
            ('{"url": "//good.example/"}', NOT_PERMITTED),
            ('{"url": "good.example"}', NOT_PERMITTED),
            ('{"url": ""}', NOT_PERMITTED),
        ),
    ),
    "domains": Trap(
        fields(url="string"),
        ANY + "FORBID unless { context.derived has url && context.derived.url has domain && "
        'context.derived.url.domain == "example.co.uk" };',
        (
            ('{"url": "https://a.b.example.co.uk/"}', {"url": "https://a.b.example.co.uk/"}),
            ('{"url": "https://notexample.co.uk/"}', NOT_PERMITTED),
            ('{"url": "https://example.co.uk.evil.example/"}', NOT_PERMITTED),
            ('{"url": "https://127.0.0.1/"}', NOT_PERMITTED),
            ("{}", NOT_PERMITTED),
        ),
    ),
    "addresses": Trap(
        fields("url", url="string"),
        ANY + "FORBID when { context.derived.url has ip && context.derived.url.ip.isLoopback() };"
        "FORBID unless { context.derived.url has host };",
        (
            ('{"url": "http://127.0.0.1/"}', NOT_PERMITTED),
            ('{"url": "http://2130706433/"}', NOT_PERMITTED),
            ('{"url": "http://0x7f.1/"}', NOT_PERMITTED),
            ('{"url": "http://[::1]/"}', NOT_PERMITTED),
            ('{"url": "http://8.8.8.8/"}', {"url": "http://8.8.8.8/"}),
        ),
    ),
    "sizes": Trap(
        fields("s", s="string"),
        ANY + "FORBID when { context.derived.s.length > 3 || context.derived.s.bytes > 6 };",
        (
            ('{"s": "abc"}', {"s": "abc"}),
            ('{"s": "abcd"}', NOT_PERMITTED),
            ('{"s": "äöü"}', {"s": "äöü"}),
            ('{"s": "日本語"}', NOT_PERMITTED),
        ),
    ),
    "what_like_cannot_know": Trap(
        fields("path", path="string"),
        'PERMIT when { context.input.path like "/data/*" };',
        (('{"path": "/data/../etc/passwd"}', {"path": "/data/../etc/passwd"}),),
    ),
}


def tool_of(name: str) -> str:
    return TRAPS[name].name or name


def policies_of(name: str) -> str:
    """The policies of a trap, their heads written out."""
    action = f"action == Callgate::Action::{json.dumps('t___' + tool_of(name), ensure_ascii=False)}"
    text = TRAPS[name].policies.replace("ACTION", action).replace("TOOL", f"t___{tool_of(name)}")
    for word in ("PERMIT", "FORBID"):
        text = text.replace(word, f"{word.lower()} (principal, {action}, resource)")
    return text


@dataclass
class World:
    """A running gateway, and the target behind it."""

    gateway: Running
    target: HttpTarget

    def call(self, tool: str, arguments: str, claims: dict[str, Any] | None) -> tuple[str, Any]:
        """(outcome, answer) of a call with arguments as they stand; outcome `ok` where it ran."""
        meta = json.dumps(META)
        params = f'{{"_meta": {meta}, "name": {json.dumps(tool)}, "arguments": {arguments}}}'
        body = f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}'
        status, answer = fetch(self.gateway.agents, body.encode(), headers(tool, claims))
        return outcome_of(status, answer), answer

    def forwarded(self, tool: str) -> list[bytes]:
        """The arguments of every call of a tool that reached the target, as they came there."""
        found = []
        for seen in self.target.seen:
            if seen.rpc == "tools/call" and seen.message["params"]["name"] == tool:
                found.append(arguments_in(seen.body))
        return found

    def recorded(self, answer: Any) -> Any:
        """What the record says of a refused call; it is written behind the answer."""
        place = f"{self.gateway.control}/api/v1/calls/{refusal_in(answer)['call']}"
        for _ in range(500):
            status, call = fetch(place)
            if status == 200:
                return call["entries"][-1]
        raise AssertionError(f"no record at {place}")


def headers(tool: str, claims: dict[str, Any] | None) -> dict[str, str]:
    name = tool if tool.isascii() else f"=?base64?{base64.b64encode(tool.encode()).decode()}?="
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }
    if claims is not None:
        full = {"iss": ISSUER, "aud": "gw", "sub": "eve", "exp": 4102444800, **claims}
        sent["Authorization"] = f"Bearer {jwt.encode(full, SECRET, algorithm='HS256')}"
    return sent


def refusal_in(answer: Any) -> Any:
    if "error" in answer:
        return answer["error"].get("data", {}).get(META_KEY, {})
    return answer["result"].get("_meta", {}).get(META_KEY)


def outcome_of(status: int, answer: Any) -> str:
    if "error" in answer and answer["error"]["code"] == -32700:
        return MALFORMED
    refusal = refusal_in(answer)
    return str(refusal["code"]) if refusal else f"ok {status}"


def arguments_in(body: bytes) -> bytes:
    """The bytes of the arguments in a message of ours, which has no needless spaces."""
    text = body.decode()
    _, _, rest = text.partition('"arguments":')
    _, end = json.JSONDecoder().raw_decode(rest)
    return rest[:end].encode()


def written(arguments: Any) -> bytes:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":")).encode()


async def executed(seen: Seen, talk: Talk) -> None:
    await talk.result(seen, DONE)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    tools = [{"name": tool_of(name), "inputSchema": trap.schema} for name, trap in TRAPS.items()]
    policies = "\n".join(policies_of(name) for name in TRAPS)
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as directory,
        apart(HttpTarget(modern(executed, tools))) as target,
    ):
        patch.setenv("TRAP_SECRET", SECRET)
        config = CONFIG.format(issuer=ISSUER, url=target.url)
        with running(Path(directory), config, p__cedar=policies) as gateway:
            until_up(gateway)
            yield World(gateway, target)


def until_up(gateway: Running) -> None:
    """The log says where it listens a moment before it does."""
    for _ in range(2000):
        try:
            if fetch(f"{gateway.control}/readyz")[0] == 200 and fetch(gateway.agents)[0]:
                return
        except URLError:
            time.sleep(0.05)
    raise AssertionError("it does not come up:\n" + "\n".join(gateway.log))


CALLS = [
    pytest.param(name, arguments, expected, id=f"{name}: {arguments[:60]}")
    for name, trap in TRAPS.items()
    for arguments, expected in trap.calls
]


@pytest.mark.parametrize(("name", "arguments", "expected"), CALLS)
def test_a_trap_stays_shut(world: World, name: str, arguments: str, expected: Any) -> None:
    tool = tool_of(name)
    before = len(world.forwarded(tool))

    outcome, answer = world.call(f"t___{tool}", arguments, TRAPS[name].claims)

    arrived = world.forwarded(tool)[before:]
    if isinstance(expected, dict):
        assert (outcome, arrived) == ("ok 200", [written(expected)]), answer
        return
    code, _, detail = expected.partition(": ")
    assert (outcome, arrived) == (code, []), answer
    if code != MALFORMED:
        recorded = world.recorded(answer)
        assert (recorded["code"], recorded["ran"], recorded["tool"]) == (code, "no", tool)
        assert detail in recorded.get("detail", "")


PARENTHESES = "(" * 700 + "true" + ")" * 700
HEAD = "forbid (principal, action, resource) when { "
HOSTILE = {
    "parentheses": (f"{HEAD}{PARENTHESES} }};", "nested deeper than 100"),
    "many more": (HEAD + "(" * 100_000, "nested deeper than 100"),
    "negations": (f"{HEAD}{'!(' * 700}true{')' * 700} }};", "nested deeper than 100"),
    "negations in a row": (f"{HEAD}{'!' * 5000}true }};", "nested deeper than 100"),
    "minus signs in a row": (f"{HEAD}{'-' * 5000}1 == 1 }};", "nested deeper than 100"),
    "records": (f"{HEAD}{'{a: ' * 700}1{'}' * 700} has a }};", "nested deeper than 100"),
    "sets": (f"{HEAD}{'[' * 700}1{']' * 700}.isEmpty() }};", "nested deeper than 100"),
    "conditions": (f"{HEAD}{'if true then ' * 3000}true{' else false' * 3000} }};", ""),
    "terms": (f"{HEAD}{' || '.join(['context.input.amount == 7'] * 3000)} }};", "operators"),
    "attributes": (f"{HEAD}context.input{'.a' * 3000} == 1 }};", ""),
    "methods": (f"{HEAD}principal.id{'.isEmpty()' * 3000} }};", ""),
    "a quote that never ends": (f'{HEAD}"{"(" * 5000}', "quotes"),
    "quotes around brackets": (f'{HEAD}"{"(" * 5000}" == {PARENTHESES} }};', "nested deeper"),
    "a comment around brackets": (f"{HEAD}//{'(' * 5000}\n{PARENTHESES} }};", "nested deeper"),
    "a huge integer": (f"{HEAD}context.input.amount == {'9' * 5000} }};", "integer"),
    "a template": ("permit (principal == ?principal, action, resource);", "template"),
    "annotations without end": (f"{'@a ' * 20_000}{HEAD}true }};", ""),
    "an unknown type": ('forbid (principal == User::"a", action, resource);', ""),
    "another language": ("p, alice, data1, read\n", ""),
    "no text": ("\xff\xfe\x00permit", ""),
}
SHOP = """
def refund(amount: int) -> str:
    return "refunded"
"""
SHOP_CONFIG = """
identity: {anonymous: true}
targets: {shop: {python: shop}}
policies: {files: ["*.cedar"]}
"""
SHOP_POLICY = """@id("limit") permit (principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= 500 };
"""


@pytest.fixture(scope="module")
def shop() -> Iterator[Running]:
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory), SHOP_CONFIG, shop__py=SHOP, p__cedar=SHOP_POLICY) as gateway,
    ):
        until_up(gateway)  # what changes from now on is a reload
        yield gateway


def code_of(gateway: Running, amount: int) -> str:
    return outcome_of(*gateway.call("shop___refund", amount=amount))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_policy_text_is_not_taken_and_the_old_policies_stay(
    shop: Running, name: str
) -> None:
    text, problem = HOSTILE[name]
    file = shop.directory / "hostile.cedar"

    file.write_bytes(text.encode("latin-1"))
    try:
        status, told = fetch(f"{shop.control}/api/v1/reload", b"")

        assert status == 422
        assert "hostile.cedar" in json.dumps(told) and problem in json.dumps(told)
        assert (code_of(shop, 5), code_of(shop, 501)) == ("ok 200", NOT_PERMITTED)
    finally:
        file.unlink()
        assert fetch(f"{shop.control}/api/v1/reload", b"")[0] == 200


@pytest.mark.parametrize("name", ["parentheses", "terms", "another language"])
def test_a_gateway_does_not_start_with_a_hostile_policy_text(name: str, tmp_path: Path) -> None:
    text, problem = HOSTILE[name]
    with running(tmp_path, SHOP_CONFIG, shop__py=SHOP, p__cedar=text) as gateway:
        assert gateway.process.wait(180) == 1
        line = gateway.await_log("p.cedar").string
    assert problem in line


def test_a_body_beyond_the_limit_is_not_read(shop: Running) -> None:
    place = urlsplit(shop.agents)
    connection = http.client.HTTPConnection(place.netloc, timeout=120)
    connection.putrequest("POST", place.path)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10 << 20))
    connection.endheaders()

    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("claims", [{"sub": "eve\nada"}, {"sub": ["ada"]}, {"groups": [5]}])
def test_a_principal_whose_name_is_no_name_reaches_no_policy(world: World, claims: Any) -> None:
    before = world.forwarded("integers")

    outcome, answer = world.call("t___integers", '{"amount": 5}', claims)

    assert (outcome, world.forwarded("integers")) == ("unauthenticated", before), answer


def test_a_list_does_not_show_what_could_never_be_permitted(world: World) -> None:
    names = {tool["name"] for tool in world.gateway.post("tools/list")[1]["result"]["tools"]}

    hidden = {"a_string_is_in_no_set", "forbid_on_all_tools_in_a_condition"}
    assert not names & {f"t___{tool}" for tool in hidden}
    assert {"t___integers", 't___del-ete it, "now"', "t___naïve"} <= names


def test_the_record_of_it_all_is_whole(world: World) -> None:
    assert world.gateway.callgate("audit", "verify")
