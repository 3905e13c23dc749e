"""A snapshot of tools: what the targets say, as a file, and back."""

import asyncio
import json
from pathlib import Path

import pytest

from callgate.app.snapshot import (
    NOT_IN_THE_FILE,
    Snapshot,
    SnapshotError,
    ask_targets,
    read_snapshot,
    snapshot_text,
)
from callgate.config import load_config
from callgate.protocol.definitions import read_tool
from fakes.desk import TOOLS, write_desk


def written(directory: Path, text: str) -> Path:
    file = directory / "tools.json"
    file.write_text(text)
    return file


def test_targets_are_asked_and_silent_ones_are_named(tmp_path: Path) -> None:
    directory = write_desk(tmp_path / "desk")
    file = directory / "callgate.yaml"
    text = file.read_text()
    file.write_text(text.replace("targets:", "targets:\n  gone: {command: [no-such-program]}"))

    found = asyncio.run(ask_targets(load_config(file)))

    assert [tool.qualified_name for tool in found.tools] == ["shop___refund", "shop___report"]
    assert found.tools[0].input_schema["required"] == ["order", "amount"]
    assert found.silent.keys() == {"gone"}
    assert "no-such-program" in found.silent["gone"]


def test_a_snapshot_read_again_is_the_same(tmp_path: Path) -> None:
    definitions = TOOLS["shop"]
    tools = tuple(read_tool("shop", definition) for definition in definitions)
    text = snapshot_text(
        Snapshot(tools=tools[::-1], silent={"gone": "why"}), ["shop", "gone", "no"]
    )

    assert list(json.loads(text)) == ["no", "shop"]
    found = read_snapshot(written(tmp_path, text), ["shop", "gone"])
    assert found == Snapshot(tools=tools, silent={"gone": NOT_IN_THE_FILE})
    assert snapshot_text(found, ["no", "shop", "gone"]) == text


def test_a_result_of_tools_list_can_stand_for_a_target(tmp_path: Path) -> None:
    text = json.dumps({"shop": {"tools": TOOLS["shop"], "nextCursor": "x"}})

    assert len(read_snapshot(written(tmp_path, text)).tools) == 2


def test_tools_that_cannot_be_offered_are_named(tmp_path: Path) -> None:
    text = json.dumps({"shop": [{"name": "a", "inputSchema": {"type": "array"}}, {"name": "b"}]})
    found = read_snapshot(written(tmp_path, text))

    assert [tool.name for tool in found.tools] == ["b"]
    assert found.unusable == ("shop: The tool a has an input schema that is not of type object.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "must be an object: target → the tools that it lists"),
        ("{", "is not JSON"),
        ('{"shop": 5}', "shop: must be a list of tool definitions, or a result of tools/list"),
        ('{"shop": ["a"]}', "shop: must be a list of tool definitions"),
    ],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SnapshotError, match=said):
        read_snapshot(written(tmp_path, text))


def test_a_snapshot_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"callgate policy tools --output .*none\.json"):
        read_snapshot(tmp_path / "none.json")
