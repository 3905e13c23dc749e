"""Content that breaks lines, terminals and pages, and secrets: in at every place, read every way."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from callgate.audit.keys import SigningKey
from callgate.cli import commands
from callgate.protocol.headers import encode_value
from fakes.load import command
from fakes.pages import HOSTILE, read
from fakes.postgres import a_database
from fakes.running import META, Running, fetch, running, until

pytestmark = pytest.mark.e2e

FAKE = '\n{"at": "2026-01-01T00:00:00Z", "level": "error", "message": "forged"}\r\n'
BROKEN = (
    f"{HOSTILE}{FAKE}\u2028\u2029\u0085\x9b31m\x1b]0;title\x07\x1b[2J\u2066\u2067\u200f\ufeff"
    "\U000e0041\ufffe\udfff"
)
# What the gateway lets in: a NUL or a lone surrogate anywhere refuses the whole message.
TEXT = "".join(letter for letter in BROKEN if letter != "\0" and not "\ud800" <= letter < "\ue000")
SECRETS = ("hunter2-in-an-argument", "hunter2-in-a-result", "hunter2-in-a-header")
TOKEN = "a-token-of-ada-hunter2-that-is-long-enough"
LARGE = "n" * 1_000_000
RECORDED = 20  # calls of the attack
TARGET = f"""
BROKEN = {BROKEN!a}
"""
TARGET += '''
def echo(note: str, secret: str = "", more: dict | None = None) -> dict:
    """Say it again."""
    return {"note": note, "secret": "hunter2-in-a-result", "more": more}

def speak(how: str) -> dict:
    """Say what no agent may say."""
    if how == "fail":
        raise ValueError(BROKEN)
    text = BROKEN.encode(errors="ignore").decode() if how != "broken" else BROKEN
    return {"said": text, text: 1}

def fail(note: str, secret: str = "") -> str:
    """Fail, and repeat what was given."""
    raise ValueError(f"{note}: {secret}")
'''
POLICY = """
@id("all") permit(principal, action, resource);
@id("no") @reason("Not this one.\\u{1b}[31m\\u{202e}")
forbid(principal, action == Callgate::Action::"shop___echo", resource)
when { context.input.note == "no" };
"""
CONFIG = """
identity: {anonymous: true}
store: {mask: [secret, more.secret], mask_results: [secret], DATABASE}
targets:
  shop: {python: shop}
policies: {files: ["*.cedar"]}
telemetry: {log_format: FORMAT, log_level: debug}
listeners:
  agents: {port: 0}
  control: {port: 0, operators: {ada: "${env:ADAS_TOKEN}"}}
"""


class Attack:
    """An agent with bad manners: everything it may choose is hostile."""

    def __init__(self, gateway: Running) -> None:
        self._gateway = gateway

    def post(self, body: Mapping[str, Any], path: str = "", **headers: str) -> tuple[int, Any]:
        name = str(body.get("params", {}).get("name", ""))
        sent = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": header_of(str(body["method"])),
            "Mcp-Name": header_of(name),
            **headers,
        }
        # ASCII: lone surrogates go as escapes, as an agent can send them.
        data = json.dumps({"jsonrpc": "2.0", "id": TEXT, **body}).encode()
        return fetch(self._gateway.agents + path, data, sent)

    def call(self, tool: str, arguments: Any, trace: str = "", **headers: str) -> tuple[int, Any]:
        client = {"name": TEXT, "version": TEXT, "title": TEXT}
        meta = {
            **META,
            "io.modelcontextprotocol/clientInfo": client,
            "progressToken": TEXT,
            TEXT: 1,
            **({"traceparent": trace} if trace else {}),
        }
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        return self.post({"method": "tools/call", "params": params}, **headers)

    def everything(self) -> None:
        secret = SECRETS[0]
        self.call("shop___echo", {"note": TEXT, "secret": secret, "more": {"secret": secret}})
        self.call("shop___echo", {"note": BROKEN, "secret": secret})
        self.call("shop___echo", {"note": "small", "secret": secret, "more": {TEXT: 1}})
        apart = f"00-{'a' * 32}-{'b' * 16}-01"  # a run of its own: others are told without it
        self.call("shop___echo", {"note": LARGE, "secret": secret}, trace=apart)
        self.call("shop___echo", {"note": "deep", "more": {"a": nested(40)}})
        self.call("shop___echo", {"note": "deeper", "more": {"a": nested(400)}})
        self.call("shop___echo", {"note": "no", "secret": secret})
        self.call("shop___fail", {"note": TEXT, "secret": secret})
        self.call("shop___echo", {TEXT: TEXT, "secret": secret})
        for how in ("fail", "broken", "well-formed"):
            self.call("shop___speak", {"how": how})
        for name in (BROKEN, TEXT, "shop___echo" + TEXT, "x" * 20_000):
            self.call(name, {"note": "x", "secret": secret})
        self.call("shop___echo", [TEXT])
        self.call("shop___echo", TEXT)
        for method in (TEXT, "resources/read", "prompts/get"):
            params = {"name": TEXT, "uri": TEXT, "_meta": META}
            self.post({"method": method, "params": params})
        self.as_before_2026()
        self.call("shop___echo", {"note": "x"}, Authorization=f"Bearer {SECRETS[2]}")
        self.call("shop___echo", {"note": "x"}, traceparent="00-\x1b[31m", tracestate="\x9b31m")
        hostile_path = "/" + urllib.parse.quote(TEXT, safe="") + f"?key={SECRETS[2]}"
        self.post({"method": "tools/list"}, path=hostile_path)

    def as_before_2026(self) -> None:
        """With a session, whose client names itself, and one that does not exist."""
        client = {"name": TEXT, "version": TEXT}
        opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        versions = {"MCP-Protocol-Version": "2025-11-25"}
        self.post({"method": "initialize", "params": opening}, **versions)
        call = {"method": "tools/call", "params": {"name": TEXT, "arguments": {TEXT: TEXT}}}
        self.post(call, **versions)
        self.post(call, **versions, **{"Mcp-Session-Id": "\x1b]0;title\x07\x9b31m"})


def header_of(text: str) -> str:
    return encode_value(text.encode(errors="replace").decode())


def nested(depth: int) -> Any:
    value: Any = TEXT
    for _ in range(depth):
        value = [value]
    return value


def printed(directory: Path, *arguments: str) -> str:
    """Of a command, on both streams, whatever its exit code says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        done = CliRunner().invoke(commands, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output


def harmless(text: str) -> Iterator[str]:
    """Each line; fails where one holds what a terminal would not just show, or a secret."""
    for line in text.split("\n"):
        assert line.isprintable(), [letter for letter in line if not letter.isprintable()][:5]
        assert "hunter2" not in line, line[:200]
        yield line


def all_files(directory: Path) -> bytes:
    return b"\n".join(file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file())


@pytest.fixture(params=["text", "json"])
def log_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(log_format: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One database for each: all four together show nothing more."""
    if log_format == "text":
        yield ""
        return
    key = SigningKey.generated("records.example.com")
    monkeypatch.setenv("CALLGATE_SIGNING_KEY", key.text)
    with a_database() as url:
        yield f', url: "{url}", signing_key: "${{env:CALLGATE_SIGNING_KEY}}"'


def test_hostile_content_breaks_nothing_it_is_read_by(
    tmp_path: Path, log_format: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAS_TOKEN", TOKEN)
    config = CONFIG.replace("FORMAT", log_format).replace(", DATABASE", store)
    with running(tmp_path, config, shop__py=TARGET, p__cedar=POLICY) as gateway:
        Attack(gateway).everything()
        read_by_commands(tmp_path)
        exported(tmp_path)
        read_by_the_control_api(gateway)
        assert gateway.stop() == 0
    erased(tmp_path)
    lines = list(harmless("\n".join(gateway.log)))
    assert not [line for line in lines if line.startswith('{"at": "2026-01-01')]
    if log_format == "json":
        assert all("at" in json.loads(line) for line in lines)
    held = all_files(tmp_path).replace(TARGET.encode(), b"")
    assert not [one for one in (*SECRETS, TOKEN) if one.encode() in held]


def of_each_kind(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One call of each that differs in how it ended, and by which tool."""
    return list({(call["code"], call["name"]): call for call in calls}.values())


def calls_of(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in harmless(command(directory, "calls", "--json").strip())]


def read_by_commands(directory: Path) -> None:
    until(lambda: len(calls_of(directory)) >= RECORDED)  # nobody waits for what was refused
    calls = calls_of(directory)
    table = list(harmless(command(directory, "calls").strip()))
    assert len(table) == len(calls) + 1
    for call in of_each_kind(calls):
        assert list(harmless(command(directory, "explain", call["call"])))
    sizes = {one["call"]: (one.get("result") or {}).get("bytes", 0) for one in calls}
    (large,) = (call for call, size in sizes.items() if size > len(LARGE))
    for words in ("explain", "review"):
        assert list(harmless(command(directory, words, large)))
    told = command(directory, "explain", calls[0]["call"], "--json")
    assert list(harmless(told))
    json.loads(told)
    for words in ("small", "forged", "2J", '"alert(1)"', "deep"):
        found = printed(directory, "calls", "--search", words)
        assert len(list(harmless(found.strip()))) > 1, words
    for hostile in (BROKEN, '"'):
        for option in ("--search", "--tool", "--principal", "--where", "--run"):
            assert list(harmless(printed(directory, "calls", option, hostile)))
        assert list(harmless(printed(directory, "explain", hostile)))
        assert list(harmless(printed(directory, "review", "run", "--", hostile)))
    last = calls[0]["call"]
    for arguments in (
        ("review", "--last"),
        ("review", "--last", "--json"),
        ("review", "runs"),
        ("usage",),
        ("usage", "--json"),
        ("audit", "verify"),
        ("audit", "verify", "--json"),
        ("audit", "proof", last),
        ("audit", "checkpoint"),
        ("replay",),
    ):
        assert list(harmless(printed(directory, *arguments))), arguments
    assert "hold" in command(directory, "audit", "verify")
    command(directory, "audit", "bundle", "--out", "all.bundle")
    command(directory, "review", "--last", "--html", "run.html")
    command(directory, "report", "--html", "week.html")
    for name in ("run.html", "week.html"):
        read((directory / name).read_text("utf-8"))


def exported(directory: Path) -> None:
    """In each format that is lines: one line each, and each of them JSON."""
    for form in ("calls", "records", "ocsf", "cloudevents", "sep-3004"):
        printed = command(directory, "export", "--format", form).strip()
        lines = [json.loads(line) for line in harmless(printed)]
        assert len(lines) >= 15, form


def erased(directory: Path) -> None:
    """For a reason that is hostile too; what is left can still be read and proved."""
    chosen = ("audit", "erase", "--offline", "--tool", "echo", "--json")
    due = json.loads(command(directory, *chosen))
    assert due["calls"] > 5, due
    arguments = (*chosen, "--yes", "--reason", BROKEN)
    assert list(harmless(printed(directory, *arguments).strip()))
    for words in (("calls",), ("usage",), ("audit", "hold", "list"), ("review", "--last")):
        assert list(harmless(printed(directory, *words))), words
    assert "hold" in command(directory, "audit", "verify")
    assert all(list(harmless(line)) for line in command(directory, "export").split("\n"))


def read_by_the_control_api(gateway: Running) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    api = f"{gateway.control}/api/v1/"
    _, page = fetch(f"{api}calls?limit=100", headers=token)
    assert len(page["calls"]) >= 15
    for call in of_each_kind(page["calls"]):
        status, told = fetch(f"{api}calls/{call['call']}", headers=token)
        assert status == 200
        assert call["call"] in json.dumps(told)
        assert "hunter2" not in json.dumps(told)
        assert list(harmless(told["text"]))
    quoted = urllib.parse.quote(TEXT, safe="")
    for what in ("calls?tool=%00", "calls/%00", "calls?search=%00", "calls?principal=%FF"):
        assert fetch(api + what, headers=token)[0] in (200, 400, 404), what
    for what in (f"calls?search={quoted}", f"calls?tool={quoted}", f"calls/{quoted}", quoted):
        status, _ = fetch(api + what, headers=token)
        assert status < 500, what
    assert fetch(f"{api}calls", headers={"Authorization": f"Bearer {SECRETS[2]}"})[0] == 401
