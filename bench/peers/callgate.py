"""Callgate with the whole call path: JWT, schema, Cedar, an interceptor, a durable record."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from processes import GATEWAY_CORE, Command, free_port, start_listening
from target import TOOL_COUNT

from callgate.storage.reading.keeping import LOOK_EVERY_SECONDS
from peers import policies
from peers.peer import Room, Running

START_SECONDS = 60.0
TARGET = "stub"
FIRST_TOOLS = ("lookup", "echo", "report", "confirm")
TOOLS = (*FIRST_TOOLS, *(f"tool_{number:04d}" for number in range(5, TOOL_COUNT + 1)))
ACTIONS = tuple(f"{TARGET}___{tool}" for tool in TOOLS)
ISSUER = "https://issuer.example"
AUDIENCE = "https://callgate.example"
TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Callgate:
    """`policy_text` is the Cedar source of all policies."""

    name: str
    about: str
    policy_text: str

    def prepare(self, cache: Path) -> str:
        return f"callgate {version('callgate')}, cedarpy {version('cedarpy')}"

    def start(self, room: Room) -> Running:
        return self.start_before({TARGET: room.target.url}, room.scratch)

    def start_before(self, targets: Mapping[str, str], scratch: Path) -> Running:
        """`targets`: their URLs by name; the load calls a tool of the first."""
        port = free_port()
        token = issue_token(scratch)
        (scratch / "policies.cedar").write_text(self.policy_text)
        # JSON is YAML too.
        config = scratch / "callgate.yaml"
        config.write_text(json.dumps(configuration(port, targets), indent=2))
        words: list[str | Path] = [sys.executable, "-m", "callgate", "run", "--config", config]
        command = Command(words, GATEWAY_CORE, scratch / "callgate.log")
        process = start_listening(command, port, START_SECONDS)
        headers = {"Authorization": f"Bearer {token}"}
        tool = f"{next(iter(targets))}___{TOOLS[0]}"
        return Running(
            process,
            f"http://127.0.0.1:{port}/mcp",
            tool,
            headers=headers,
            settles_seconds=2 * LOOK_EVERY_SECONDS + 1,
        )


def configuration(port: int, targets: Mapping[str, str]) -> dict[str, Any]:
    """The record is kept with `synchronous: full`, which is the default."""
    issuer = {"issuer": ISSUER, "audience": [AUDIENCE], "jwks_file": "jwks.json"}
    return {
        "listeners": {"agents": {"port": port}, "control": {"port": free_port()}},
        "identity": {"jwt": [issuer]},
        "targets": {name: {"url": url} for name, url in targets.items()},
        "policies": {"files": ["policies.cedar"]},
        "interceptors": [{"name": "redactor", "redact": {}, "on": ["request", "result"]}],
        "store": {"path": "callgate.db"},
    }


def issue_token(folder: Path) -> str:
    """A token of an issuer made for this run; its public key goes into jwks.json."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    document = {"keys": [{**public, "kid": "bench", "use": "sig", "alg": "RS256"}]}
    (folder / "jwks.json").write_text(json.dumps(document))
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "groups": ["payments", "staff"],
        "iat": int(time.time()),
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "bench"})


def variant(name: str, policies_are: str, policy_text: str) -> Callgate:
    about = (
        f"RS256 JWT (the same on every call), schema validation, {policies_are}, the redactor on "
        "request and result, a record in SQLite (`synchronous: full`) before and after the call"
    )
    return Callgate(name, about, policy_text)


CALLGATE = variant(
    "Callgate",
    f"100 Cedar policies spread evenly over {TOOL_COUNT} tools",
    policies.spread(100, ACTIONS),
)
VARIANTS = (
    CALLGATE,
    variant("Callgate, 10 policies", "10 Cedar policies", policies.spread(10, ACTIONS)),
    variant(
        "Callgate, 100 policies on one tool",
        "100 Cedar policies, each of which has to be evaluated for every call",
        policies.on_one_tool(100, ACTIONS[0]),
    ),
)
WITH_ALL_TOOLS = variant(
    "Callgate, all tools",
    "100 Cedar policies, 10 of them for every tool",
    policies.on_all_tools(100, TARGET, ACTIONS),
)
CONVERSING = variant(
    "Callgate",
    f"100 Cedar policies spread evenly over {TOOL_COUNT} tools and one that lets targets ask the "
    "user",
    policies.spread(100, ACTIONS) + "\n" + policies.permit("elicitation/create"),
)


def with_lists(targets: Sequence[str]) -> Callgate:
    """For many targets: a policy for each of their tools, one for resources and prompts."""
    actions = [f"{target}___{tool}" for target in targets for tool in TOOLS]
    methods = ("resources/list", "resources/read", "prompts/list", "prompts/get")
    text = policies.spread(len(actions), actions) + "\n" + policies.permit(*methods)
    return variant("Callgate, lists", f"{len(actions) + 1} Cedar policies", text)
