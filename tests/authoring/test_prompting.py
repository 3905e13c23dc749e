import re

import pytest

from callgate.authoring.grounding import Ground
from callgate.authoring.model_client import Message
from callgate.authoring.prompting import (
    PROMPTS,
    asking_again,
    asking_for_cases,
    asking_for_policy,
    asking_to_split,
    prompt,
)
from callgate.authoring.replies import Requirement
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.validation import findings
from fakes.calls import a_tool

GROUND = Ground(names=Names(), tools=(a_tool(),))
REQUIREMENT = Requirement(quote="Only finance may refund", meaning="Others are refused.")
TOOLS = (
    a_tool(),
    a_tool("files", "delete", {}),
    a_tool("files", "read", {"properties": {"path": {"type": "string"}}, "required": ["path"]}),
    a_tool("crm", "find", {"properties": {"tenant": {"type": "string"}}}),
)


def test_every_place_in_every_prompt_is_filled() -> None:
    conversations = [
        asking_to_split("text"),
        asking_for_policy(GROUND, REQUIREMENT),
        asking_for_cases(GROUND, REQUIREMENT),
        asking_again("x", ["problem"]),
        asking_again("x", ["problem"], name="doubt"),
    ]

    for messages in conversations:
        assert all("{{" not in message.content for message in messages)
    assert tuple(name for name in PROMPTS if prompt_has_text(name)) == PROMPTS


def prompt_has_text(name: str) -> bool:
    words = ("most", "namespace", "gateway", "cedar", "ground", "problems")
    return bool(prompt(name, **dict.fromkeys(words, "x")))


def test_what_is_put_in_is_never_taken_for_a_place() -> None:
    ground = Ground(names=Names(), tools=(a_tool(description="{{cedar}} {{ground}}"),))

    (system, _) = asking_for_policy(ground, REQUIREMENT)

    assert '"{{cedar}} {{ground}}"' in system.content


def test_the_words_of_the_requirement_are_the_users() -> None:
    system, user = asking_for_policy(GROUND, REQUIREMENT)

    assert (system.role, user.role) == ("system", "user")
    assert REQUIREMENT.quote in user.content and REQUIREMENT.quote not in system.content
    assert 'action Callgate::Action::"shop___refund"' in system.content
    assert 'resource == Callgate::Gateway::"main"' in system.content


def test_cases_are_asked_for_without_a_policy() -> None:
    assert "permit (" not in asking_for_cases(GROUND, REQUIREMENT)[0].content


def test_problems_follow_the_answer_that_they_are_about() -> None:
    assistant, user = asking_again("my answer", ["line 1: no", "x" * 10_000])

    assert assistant == Message(role="assistant", content="my answer")
    assert "- line 1: no\n" in user.content
    assert len(user.content) < 2000


@pytest.mark.parametrize("namespace", ["Callgate", "AgentCore"])
def test_the_patterns_that_the_model_is_shown_are_valid_policies(namespace: str) -> None:
    names = Names(namespace=namespace)
    text = prompt("cedar", namespace=namespace, gateway=f'{namespace}::Gateway::"main"')
    shown = re.findall(r"(?:^    .*\n)+", text.partition("# Patterns")[2] + "\n", re.MULTILINE)

    policies = read_policies((f"pattern{n}", pattern) for n, pattern in enumerate(shown))

    assert len(policies) == len(shown) == 5
    assert not findings(names, policies, TOOLS, {}, {"shop": True, "files": True, "crm": True})
