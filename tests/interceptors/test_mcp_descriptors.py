"""What a server declares and what settings say of it: merged, narrowed, or turned down."""

from typing import Any

import pytest

from callgate.interceptors.mcp_descriptors import Found, Hook, McpError, read_listing
from callgate.interceptors.mcp_settings import McpSettings

BOTH = [{"events": ["tools/call"], "phase": "request"}]


def listing(*declared: dict[str, Any], version: str = "2026-07-28", **more: Any) -> Any:
    settings = McpSettings.model_validate({"url": "http://x", **more})
    return read_listing({"interceptors": list(declared)}, settings, version)


def one(**more: Any) -> dict[str, Any]:
    return {"name": "a", "type": "validation", "hooks": BOTH, **more}


def test_what_is_left_out_has_the_defaults_of_the_draft() -> None:
    assert listing(one()) == (
        Found(
            name="a",
            is_mutator=False,
            hooks=(Hook(event="tools/call", phase="request"),),
            priorities={"request": 0, "response": 0},
        ),
    )


def test_older_words_are_understood() -> None:
    old = {"events": ["*/request", "prompts/get"], "phase": "both"}
    (found,) = listing(one(hooks=None, hook=old, mode="enforce"))

    assert not found.is_audit
    assert set(found.hooks) == {
        Hook(event="*", phase="request"),
        Hook(event="prompts/get", phase="request"),
        Hook(event="prompts/get", phase="response"),
    }


@pytest.mark.parametrize(
    ("pattern", "event", "does"),
    [
        ("*", "tools/call", True),
        ("tools/*", "tools/list", True),
        ("tools/*", "toolsmith/list", False),
        ("*/list", "prompts/list", True),
        ("*/list", "resources/templates/list", True),
        ("*/list", "tools/call", False),
        ("tools/call", "tools/calls", False),
    ],
)
def test_events_are_matched_by_name_or_pattern_in_their_phase(
    pattern: str, event: str, does: bool
) -> None:
    hook = Hook(event=pattern, phase="request")

    assert hook.matches(event, "request") is does
    assert not hook.matches(event, "response")


@pytest.mark.parametrize(
    ("declared", "narrowed", "may"),
    [
        ("*", "tools/call", True),
        ("*", "tools/*", True),
        ("tools/*", "tools/*", True),
        ("tools/*", "tools/call", True),
        ("tools/*", "*", False),
        ("tools/*", "tools/c*/x", False),
        ("tools/call", "tools/list", False),
    ],
)
def test_settings_narrow_hooks_and_never_widen_them(
    declared: str, narrowed: str, may: bool
) -> None:
    hooks = [{"events": [narrowed], "phase": "request"}]
    said = one(hooks=[{"events": [declared], "phase": "request"}])
    try:
        (found,) = listing(said, interceptors={"a": {"hooks": hooks}})
    except McpError as error:
        assert not may and "can only narrow" in str(error)
    else:
        assert may and found.hooks == (Hook(event=narrowed, phase="request"),)


@pytest.mark.parametrize(
    ("hint", "priorities"),
    [
        (5, {"request": 5, "response": 5}),
        ({"response": -7}, {"request": 0, "response": -7}),
    ],
)
def test_a_priority_may_differ_by_phase(hint: Any, priorities: Any) -> None:
    (declared,) = listing(one(priorityHint=hint))
    (overridden,) = listing(one(priorityHint=1), interceptors={"a": {"priority_hint": hint}})

    assert declared.priorities == overridden.priorities == priorities


def test_what_is_not_for_the_revision_spoken_is_left_out_unless_it_is_named() -> None:
    said = one(compat={"minProtocol": "2024-11-05", "maxProtocol": "2025-11-25"})

    assert listing(said) == ()
    assert len(listing(said, version="2025-11-25")) == 1
    with pytest.raises(McpError, match="not for MCP 2026-07-28"):
        listing(said, interceptors={"a": {}})


def test_types_that_decide_nothing_are_left_out() -> None:
    assert listing(one(type="sink"), one(name="b", type="observability")) == ()


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ([one(), one()], "or one twice"),
        ([one(name="")], "the name ''"),
        ([one(name="a\nb")], "with the name"),
        ([one(type="oracle")], "unknown type 'oracle'"),
        ([one(mode="loud")], "as interceptors is none"),
        ([one(hooks=None)], "has no hooks"),
        ([one(hooks=[{"events": "tools/call", "phase": "request"}])], "as interceptors is none"),
        ([one(priorityHint="first")], "as interceptors is none"),
        ([one(name=str(number)) for number in range(201)], "more than 200"),
    ],
)
def test_junk_is_turned_down_whole(declared: list[Any], words: str) -> None:
    with pytest.raises(McpError, match=words):
        listing(*declared)
