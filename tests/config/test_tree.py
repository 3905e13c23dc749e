from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from callgate.config.tree import RESERVED_TARGET_NAMES, Config, TargetName
from callgate.model import qualify

NAMES = TypeAdapter(TargetName)


def is_valid(name: str) -> bool:
    try:
        NAMES.validate_python(name)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ["a", "9", "git-hub", "a_b", "a__b", "a.b", "A" * 64, "Tools"])
def test_ordinary_target_names_are_fine(name: str) -> None:
    assert is_valid(name)


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "_a", "a___b", "a_", "a b", "é", "a/b", "a\n", "A" * 65, "CallTool", "Mcp"],
)
def test_target_names_that_could_be_misread_are_not(name: str) -> None:
    assert not is_valid(name)


_TOOLS = st.text(alphabet="ab_-.", min_size=1, max_size=6)
_TARGETS = _TOOLS.map(lambda text: f"a{text}").filter(is_valid)


@given(_TARGETS, _TOOLS, _TARGETS, _TOOLS)
def test_a_qualified_name_reads_in_one_way_only(
    target: str, tool: str, other_target: str, other_tool: str
) -> None:
    if qualify(target, tool) == qualify(other_target, other_tool):
        assert (target, tool) == (other_target, other_tool)


def test_target_names_cannot_be_action_groups_of_the_gateway() -> None:
    assert {"CallTool", "Mcp", "AskClient"} <= RESERVED_TARGET_NAMES


@pytest.mark.parametrize(
    ("namespace", "is_fine"),
    [
        ("Callgate", True),
        ("AgentCore", True),
        ("A::B", True),
        ("", False),
        ("a b", False),
        ("A::", False),
    ],
)
def test_the_namespace_is_a_cedar_name(namespace: str, is_fine: bool) -> None:
    tree: dict[str, Any] = {"gateway": {"namespace": namespace}}
    if is_fine:
        Config.model_validate(tree)
    else:
        with pytest.raises(ValidationError):
            Config.model_validate(tree)


def test_a_configuration_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().gateway.name = "other"
