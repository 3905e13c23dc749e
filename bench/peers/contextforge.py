"""ContextForge 1.0.7, one worker: its secrets, its first password, its target, then a session."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import venvs
from processes import GATEWAY_CORE, Command, Process, free_port, start_listening, wait_until

from peers.peer import Room, Running

ENVIRONMENT = venvs.Environment("contextforge", ("mcp-contextforge-gateway==1.0.7",))
START_SECONDS = 120.0  # it migrates its database first
ADMIN = "admin@example.com"
SETTINGS = {
    "PLATFORM_ADMIN_EMAIL": ADMIN,
    "DATABASE_URL": "sqlite:///./mcp.db",
    "CACHE_TYPE": "memory",
    "LOG_LEVEL": "ERROR",
    "SSRF_ALLOW_LOCALHOST": "true",  # the target is on loopback
    "RATE_LIMITING_ENABLED": "false",  # 100 calls a minute is its default
    "MCPGATEWAY_UI_ENABLED": "false",
}


class SetupError(Exception):
    """ContextForge refused a step of its own set-up; the message says which."""


# The fastest that was found by trying; every switch here is turned off or on in its favour.
FAST_SETTINGS = {
    "USE_STATEFUL_SESSIONS": "true",  # keeps its session with the target, instead of one per call
    "CORRELATION_ID_ENABLED": "false",
    "TOKEN_USAGE_LOGGING_ENABLED": "false",
    "DB_METRICS_RECORDING_ENABLED": "false",
    "STRUCTURED_LOGGING_ENABLED": "false",
    "COMPRESSION_ENABLED": "false",
    "SECURITY_HEADERS_ENABLED": "false",
    "SSRF_PROTECTION_ENABLED": "false",
}


@dataclass(frozen=True)
class ContextForge:
    name: str = "ContextForge"
    about: str = "one worker, SQLite, in-memory cache, rate limit off; speaks the legacy era only"
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS)

    def prepare(self, cache: Path) -> str:
        return venvs.prepare(ENVIRONMENT, cache)

    def start(self, room: Room) -> Running:
        port = free_port()
        generated = generate_secrets(room)
        environment = {**os.environ, **self.settings, **generated}
        gateway = ENVIRONMENT.program(room.venvs, "mcpgateway")
        words: list[str | Path] = [gateway, "--host", "127.0.0.1", "--port", str(port)]
        command = Command(
            [*words, "--no-access-log"],
            GATEWAY_CORE,
            room.scratch / "contextforge.log",
            environment,
            room.scratch,
        )
        process = start_listening(command, port, START_SECONDS)
        try:
            return set_up(process, port, room, environment)
        except BaseException:
            process.stop()
            raise


VARIANTS = (
    ContextForge(),
    ContextForge(
        "ContextForge, stateful sessions",
        "tuned: keeps its session with the target; metrics, structured log, correlation ids, "
        "security headers and address checks off",
        {**SETTINGS, **FAST_SETTINGS},
    ),
)


def generate_secrets(room: Room) -> dict[str, str]:
    """Its own generator, as its guide says; it will not start with a placeholder."""
    words = ["-m", "mcpgateway.scripts.init_secrets", "--stdout"]
    printed = run(room, words, dict(os.environ))
    pairs = (line.split("=", 1) for line in printed.splitlines() if "=" in line)
    return {name: value for name, value in pairs if not name.startswith("#")}


def run(room: Room, words: list[str], environment: Mapping[str, str]) -> str:
    python = ENVIRONMENT.program(room.venvs, "python")
    finished = subprocess.run(
        [str(python), *words],
        env=dict(environment),
        cwd=room.scratch,
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout


def set_up(process: Process, port: int, room: Room, environment: dict[str, str]) -> Running:
    api = Api(f"http://127.0.0.1:{port}")
    wait_until(api.is_healthy, process, START_SECONDS)
    first_password = environment["PLATFORM_ADMIN_PASSWORD"]
    # By turns, since letters or digits that follow one another are turned down.
    password = "Bench-9#" + "".join(
        secrets.choice("KMQRTWXZ") + secrets.choice("2479") for _ in range(12)
    )
    first_token = mint_token(room, environment)
    change = {"old_password": first_password, "new_password": password}
    api.send("/auth/email/change-password", change, first_token)
    token = api.send("/auth/email/login", {"email": ADMIN, "password": password})["access_token"]
    registration = {"name": "stub", "url": room.target.url, "transport": "STREAMABLEHTTP"}
    api.send("/gateways", registration, token)
    authorization = {"Authorization": f"Bearer {token}"}
    return Running(process, f"{api.url}/mcp/", "stub-lookup", "legacy", authorization)


def mint_token(room: Room, environment: Mapping[str, str]) -> str:
    words = ["-m", "mcpgateway.utils.create_jwt_token", "--username", ADMIN, "--exp", "600"]
    printed = run(room, [*words, "--secret", environment["JWT_SECRET_KEY"]], environment)
    return printed.strip().splitlines()[-1]


@dataclass(frozen=True)
class Api:
    url: str

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def send(self, path: str, message: Mapping[str, Any], token: str = "") -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        body = json.dumps(message).encode()
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as problem:
            with problem:
                text = problem.read().decode()[:300]
            raise SetupError(f"{path}: {problem.code} {text}") from problem
