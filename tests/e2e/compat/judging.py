"""What is wrong with what clients saw, and what the targets have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from e2e.compat.playing import ALL, DIRECT, ONE, Step
from e2e.compat.targets import PLAIN, TARGETS, Place, Target, aggregated

Json = Any
# Where a client did not speak to a server itself, the measure is the same program reached in another
# way, or what a client on the same SDK saw.
SAME_PROGRAM = {
    "everything": "everything-http",
    "everything-sse": "everything-http",
    "fixture-modern": "fixture-legacy",
}
SAME_SDK = {"inspector-legacy": "sdk2-legacy", "inspector-modern": "sdk2-modern"}
DECLARED = {
    "resources": ("resources", None),
    "subscription": ("resources", "subscribe"),
    "prompts": ("prompts", None),
    "completion": ("completions", None),
    "logging": ("logging", None),
}
# They declare resources and prompts, because their SDK always does, and list none.
EMPTY = ("mcp-server-git", "mcp-server-time")
# Tasks of 2025-11-25 were an experiment; extensions hold between those who both know them.
NOT_PASSED_ON = ("tasks", "extensions")


def features_of(target: Target) -> set[str]:
    """What the target has."""
    return {"connect", *target.steps(PLAIN, Place(Path(), ""))}


def failures(steps: Sequence[Step]) -> Iterator[str]:
    """Steps that did not do what they should."""
    for step in steps:
        if not step.is_good:
            yield f"{step.client} {step.route} {step.target} {step.feature}: {step.said}"


def unlike(steps: Sequence[Step]) -> Iterator[str]:
    """Definitions and capabilities that a client sees otherwise than without the gateway."""
    seen = {(step.client, step.target, step.feature): step for step in steps if _is_direct(step)}
    for step in steps:
        if step.is_good and step.feature in ("tools", "connect") and step.route != DIRECT:
            where = f"{step.client} {step.route} {step.target}"
            without = _without(step, seen)
            if without is None:
                yield f"{where}: nothing to compare {step.feature} with"
                continue
            compare = _definitions if step.feature == "tools" else _capabilities
            for complaint in compare(step, without):
                yield f"{where}: {complaint}"


def _without(step: Step, seen: Mapping[tuple[str, str, str], Step]) -> Step | None:
    """What tells how it is without the gateway."""
    for client in (step.client, SAME_SDK.get(step.client, "")):
        for target in (step.target, SAME_PROGRAM.get(step.target, "")):
            found = seen.get((client, target, step.feature))
            if found is not None:
                return found
    return None


def _is_direct(step: Step) -> bool:
    return step.route == DIRECT and step.is_good


def _definitions(step: Step, without: Step) -> Iterator[str]:
    prefix = aggregated(step.target).tools if step.route == ALL else ""
    found = _by_name(step.said, prefix)
    wanted = _by_name(without.said, "")
    if prefix == "" and list(found) != list(wanted):
        yield f"tools {list(found)} and not {list(wanted)}"
    for name in found.keys() | wanted.keys():
        if found.get(name) != wanted.get(name):
            yield f"{name} is {found.get(name)} and not {wanted.get(name)}"


def _by_name(tools: Json, prefix: str) -> dict[str, Json]:
    """2026-07-28 has no `execution`: clients of that revision drop it, or are not shown it."""
    return {
        tool["name"].removeprefix(prefix): {
            key: value for key, value in tool.items() if key not in ("name", "execution")
        }
        for tool in tools
        if tool["name"].startswith(prefix)
    }


def _capabilities(step: Step, without: Step) -> Iterator[str]:
    if step.route != ONE:
        return
    declared = step.said["capabilities"]
    for name, options in without.said["capabilities"].items():
        if name in NOT_PASSED_ON:
            continue
        missing = [
            key for key, is_so in options.items() if is_so and not declared.get(name, {}).get(key)
        ]
        if name not in declared or missing:
            yield f"{name} is declared as {declared.get(name)} and not as {options}"


def untried(steps: Sequence[Step]) -> Iterator[str]:
    """What a target declares and nobody tried."""
    programs: Mapping[str, Target] = {target.name: target for target in TARGETS}
    for step in steps:
        target = programs[step.target]
        if not _is_direct(step) or step.feature != "connect" or target.program in EMPTY:
            continue
        for feature, (capability, option) in DECLARED.items():
            declared = step.said["capabilities"].get(capability)
            has_it = declared is not None and (option is None or declared.get(option))
            if has_it and feature not in features_of(target):
                yield f"{target.name} declares {capability}, and no client tries {feature}"
