"""The prompts, which are files beside this one, with what a run puts into them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from callgate.authoring.grounding import Ground, describe, quoted
from callgate.authoring.model_client import Message
from callgate.authoring.replies import MAX_CASES, MAX_REQUIREMENTS, Requirement

PROMPTS = ("split", "cedar", "policy", "cases", "repair", "doubt")
MAX_PROBLEM_CHARACTERS = 600

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def prompt(name: str, **values: str) -> str:
    """A prompt with its places filled, in one pass: what is put in is never looked at again."""
    text = (files("callgate.authoring") / "prompts" / f"{name}.md").read_text("utf-8")
    return _PLACE.sub(lambda place: values[place[1]], text).strip()


def asking_to_split(text: str) -> list[Message]:
    """The conversation that takes a text apart into requirements."""
    return [
        Message(role="system", content=prompt("split", most=str(MAX_REQUIREMENTS))),
        Message(role="user", content=f"<<<\n{text}\n>>>"),
    ]


def asking_for_policy(ground: Ground, requirement: Requirement) -> list[Message]:
    """The conversation that writes the policy of one requirement."""
    said = f"{requirement.quote}\n{requirement.meaning}"
    names = ground.names
    cedar = prompt(
        "cedar",
        namespace=names.namespace,
        gateway=f"{names.namespace}::{names.GATEWAY}::{quoted(names.gateway)}",
    )
    return [
        Message(
            role="system", content=prompt("policy", cedar=cedar, ground=describe(ground, said))
        ),
        Message(role="user", content=_stated(requirement)),
    ]


def asking_for_cases(ground: Ground, requirement: Requirement) -> list[Message]:
    """The conversation that writes cases for one requirement, without sight of its policy."""
    said = f"{requirement.quote}\n{requirement.meaning}"
    system = prompt("cases", most=str(MAX_CASES), ground=describe(ground, said))
    return [
        Message(role="system", content=system),
        Message(role="user", content=_stated(requirement)),
    ]


def asking_again(answer: str, problems: Sequence[str], *, name: str = "repair") -> list[Message]:
    """The turns that follow an answer with problems, or a valid one with doubts (`doubt`)."""
    listed = "\n".join(f"- {problem[:MAX_PROBLEM_CHARACTERS]}" for problem in problems[:10])
    return [
        Message(role="assistant", content=answer),
        Message(role="user", content=prompt(name, problems=listed)),
    ]


def _stated(requirement: Requirement) -> str:
    return f"The requirement: {requirement.quote}\nWhat it means: {requirement.meaning}"
