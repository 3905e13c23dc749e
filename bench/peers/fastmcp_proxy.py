"""FastMCP's proxy, as its guide makes it and in the faster ways that were found by trying."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import venvs
from processes import GATEWAY_CORE, Command, free_port, start_listening

from peers.peer import Room, Running

ENVIRONMENT = venvs.Environment(
    "fastmcp",
    ("fastmcp==4.1.6", "uvloop==0.23.0", "httptools==0.9.0"),
    # It asks for a newer list of TLS roots than some mirrors have; nothing here uses TLS.
    overrides=("certifi>=2026.7",),
)
SERVER = Path(__file__).with_name("fastmcp_server.py")
START_SECONDS = 60.0


@dataclass(frozen=True)
class FastmcpProxy:
    """`sessions`: fresh (its default), one-tls-context, or shared; see fastmcp_server.py."""

    name: str = "FastMCP proxy"
    about: str = "`create_proxy(url)`: a fresh client for every request, as its guide shows"
    sessions: str = "fresh"
    era: str = "modern"
    is_conversing: bool = False

    def prepare(self, cache: Path) -> str:
        return venvs.prepare(ENVIRONMENT, cache)

    def start(self, room: Room) -> Running:
        port = free_port()
        python = ENVIRONMENT.program(room.venvs, "python")
        words: list[str | Path] = [
            python,
            SERVER,
            "--upstream",
            room.target.url,
            "--port",
            str(port),
        ]
        words += ["--sessions", self.sessions]
        if self.is_conversing:
            words += ["--conversing", room.target.eras]
        command = Command(words, GATEWAY_CORE, room.scratch / "fastmcp.log")
        process = start_listening(command, port, START_SECONDS)
        return Running(process, f"http://127.0.0.1:{port}/mcp", era=self.era)


VARIANTS = (
    FastmcpProxy(),
    FastmcpProxy(
        "FastMCP proxy, legacy era",
        "the same, spoken to in the legacy era, which it then speaks to the target as well",
        era="legacy",
    ),
    FastmcpProxy(
        "FastMCP proxy, one TLS context",
        "tuned: `StreamableHttpTransport(url, verify=context)`, so that it does not load the "
        "TLS roots again for every client",
        sessions="one-tls-context",
    ),
    FastmcpProxy(
        "FastMCP proxy, shared session",
        "tuned: one connected client for all requests, legacy era; its own log warns that this "
        "may mix up the contexts of concurrent requests",
        sessions="shared",
        era="legacy",
    ),
)
CONVERSING = (
    FastmcpProxy(
        about="`create_proxy(url, mode=…)` with the era of the target, sessions and streams on",
        is_conversing=True,
    ),
    FastmcpProxy(
        "FastMCP proxy, one TLS context",
        "the same with `StreamableHttpTransport(url, verify=context)`",
        sessions="one-tls-context",
        is_conversing=True,
    ),
)
