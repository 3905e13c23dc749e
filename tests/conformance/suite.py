"""Runs the conformance suite of MCP and reads what it found."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from conformance.servers import with_tests
from fakes.node import installed, module_file, node

PACKAGE = "@modelcontextprotocol/conformance"
PROGRAM = "dist/index.js"
# A scenario that hangs is a failure of that scenario, not of the run.
SERVER_SCENARIO_SECONDS = 60
# What is started as a client gives up by itself before, and ends what it started.
CLIENT_SCENARIO_SECONDS = 90
RUN_SECONDS = 900
LISTED = re.compile(r"^ +- (\S+)", re.MULTILINE)
DIRECTORY = re.compile(r"(?:server-)?(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
# Authorization of targets is not what an anonymous gateway could be compared in.
AUTHORIZATION = "auth/"
DID_NOT_RUN = "did-not-run"
VERDICTS = ("SUCCESS", "FAILURE", "WARNING")


class SuiteError(Exception):
    """The suite itself could not run."""


@dataclass(frozen=True)
class Check:
    """What one scenario says about one thing."""

    id: str
    status: str
    name: str = ""
    says: str = ""
    details: Any = None

    @property
    def is_verdict(self) -> bool:
        """Other statuses tell what was seen or left out."""
        return self.status in VERDICTS


Results = dict[str, tuple[Check, ...]]  # by scenario


@dataclass(frozen=True)
class Scenarios:
    """What the suite runs of a revision for one role, and what of it the revision requires."""

    run: frozenset[str]
    required: frozenset[str]


@cache
def scenarios(role: str, revision: str) -> Scenarios:
    """The scenarios for `server` or `client` of a revision, authorization left out."""
    path = installed() / PACKAGE / "requirements" / f"{revision}.yaml"
    if path.exists():
        listed = yaml.safe_load(path.read_text("utf-8"))
        required = frozenset(listed[role])
        unscored = (one["scenario"] for one in listed["not_scored"] if one["leg"] == role)
        every = required.union(unscored)
    else:  # the suite has no requirements for revisions that old
        required = frozenset()
        said = _suite(["list", f"--{role}", "--spec-version", revision], 60).stdout
        every = frozenset(LISTED.findall(said))
    return Scenarios(_compared(every), _compared(required))


def _compared(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name for name in names if not name.startswith(AUTHORIZATION))


def examine_server(
    url: str, revision: str, directory: Path, scenario: str | None = None
) -> Results:
    """What the suite says of the server at a URL: about one scenario, or all of a revision."""
    if scenario is not None:
        which = ["--scenario", scenario, "--spec-version", revision, "--force"]
    elif scenarios("server", revision).required:
        which = ["--requirements", revision]
    else:
        which = ["--suite", "all", "--spec-version", revision]
    _run(["server", "--url", url, *which], SERVER_SCENARIO_SECONDS, directory)
    return _read(directory)


def examine_client(
    command: Sequence[str], revision: str, directory: Path, scenario: str
) -> Results:
    """What the suite says of a client that is started with a command and a URL."""
    which = ["--scenario", scenario, "--spec-version", revision, "--force"]
    _run(["client", "--command", shlex.join(command), *which], CLIENT_SCENARIO_SECONDS, directory)
    return _read(directory)


def _run(arguments: list[str], scenario_seconds: int, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    options = ["--timeout", str(scenario_seconds * 1000), "-o", str(directory)]
    done = _suite([*arguments, *options], RUN_SECONDS)
    said = done.stdout + done.stderr
    (directory / "suite.log").write_text(said)
    if not any(directory.glob("*/")):
        raise SuiteError(f"the suite ended with {done.returncode} and no results:\n{said[-4000:]}")


def _suite(arguments: list[str], most_seconds: int) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(node()), str(module_file(PACKAGE, PROGRAM)), *arguments],
            capture_output=True,
            text=True,
            timeout=most_seconds,
            env={**with_tests(), "NO_COLOR": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise SuiteError(f"`{arguments[0]}` took longer than {most_seconds} s") from error


def _read(directory: Path) -> Results:
    results: Results = {}
    for found in sorted(path for path in directory.iterdir() if path.is_dir()):
        match = DIRECTORY.fullmatch(found.name)
        if match is None:
            raise SuiteError(f"the suite wrote {found.name}, which is no scenario's result")
        results[match["scenario"]] = _checks(found / "checks.json")
    return results


def _checks(path: Path) -> tuple[Check, ...]:
    if not path.exists():  # the scenario threw
        return (Check(DID_NOT_RUN, "FAILURE", says=f"see suite.log beside {path.parent.name}"),)
    return tuple(
        Check(
            entry["id"],
            entry["status"],
            entry.get("name", ""),
            entry.get("errorMessage") or "",
            entry.get("details"),
        )
        for entry in json.loads(path.read_text("utf-8"))
    )
