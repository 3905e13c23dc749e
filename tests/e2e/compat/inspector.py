"""The command line of MCP Inspector: one process for each request."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from e2e.compat.playing import DIRECT, Client, Step, Ways
from e2e.compat.targets import Target
from fakes.node import module_file, node

Json = Any
Request = tuple[list[str], Json]
"""What stands on the command line, and what the answer contains."""

PACKAGE = "@modelcontextprotocol/inspector"
SAYS = ("tools", "call", "resources", "templates", "prompts", "logging")
MOST_SECONDS = 240.0


def inspectors() -> tuple[Client, ...]:
    program = str(module_file(PACKAGE, "clients/launcher/build/index.js"))
    command = (str(node()), program, "--cli", "--format", "json", "--quiet")
    return tuple(Client(f"inspector-{era}", PACKAGE, era, command) for era in ("legacy", "modern"))


def inspect(
    client: Client, ways: Ways, route: str, target: Target, features: tuple[str, ...] = SAYS
) -> list[Step]:
    """What came of the steps that the Inspector has words for."""
    (connection,) = ways.connections(client, route, [target])
    (part,) = connection["parts"]
    # Servers of one era only are asked directly too; nothing else is negotiated by the gateway.
    era = "auto" if route == DIRECT and client.era == "modern" else client.era
    before = [*client.command, "--protocol-era", era]
    url = connection["endpoint"].get("url")
    if url is not None:
        before += ["--server-url", url, "--transport", "http"]
    found = []
    for feature, requests in _requests(part["steps"], client.era).items():
        if feature in features:
            done = [_run(before, connection["endpoint"], ways.directory, one) for one in requests]
            wrong = [said for is_good, said in done if not is_good]
            said = wrong[0] if wrong else done[0][1]
            found.append(Step(client.name, route, target.name, feature, not wrong, said))
    return found


def _requests(steps: Json, era: str) -> dict[str, list[Request]]:
    """Feature → requests."""
    call = steps["call"]
    given = json.dumps(call["arguments"])
    named = ["--tool-name", call["name"], "--tool-args-json", given]
    found: dict[str, list[Request]] = {
        "tools": [(["tools/list"], [])],
        "call": [(["tools/call", *named], call["expect"])],
    }
    for feature, listing in (("resources", "resources"), ("templates", "resources/templates")):
        if feature in steps:
            step = steps[feature]
            reading = ["resources/read", "--uri", step["reads"]]
            found[feature] = [([f"{listing}/list"], step["lists"]), (reading, step["expect"])]
    if "prompts" in steps:
        step = steps["prompts"]
        pairs = [f"{name}={value}" for name, value in step["gets"]["arguments"].items()]
        getting = ["prompts/get", "--prompt-name", step["gets"]["name"], "--prompt-args", *pairs]
        found["prompts"] = [(["prompts/list"], step["lists"]), (getting, step["expect"])]
    if "logging" in steps and era == "legacy":
        found["logging"] = [(["logging/setLevel", "--log-level", steps["logging"]["level"]], [])]
    return found


def _run(before: list[str], endpoint: Json, home: Path, request: Request) -> tuple[bool, Json]:
    words, expected = request
    command = [*before, "--method", *words]
    if "command" in endpoint:
        command += ["--", endpoint["command"], *endpoint["args"]]
    done = subprocess.run(
        command,
        # Its own home: it keeps files there.
        env={**endpoint.get("env", os.environ), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
    )
    if done.returncode != 0:
        return False, f"{done.returncode}: {done.stdout[-400:]}{done.stderr[-400:]}"
    result = json.loads(done.stdout)["result"]
    said = json.dumps(result, ensure_ascii=False)
    for text in [expected] if isinstance(expected, str) else expected:
        if json.dumps(text, ensure_ascii=False)[1:-1] not in said:
            return False, f"no {text!r} in {said[:400]}"
    return True, result.get("tools")
