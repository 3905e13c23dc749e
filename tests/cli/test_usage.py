"""`callgate usage`: what is permitted, held against what was called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.usage import usage
from callgate.storage.settings import StoreSettings
from fakes.calls import SCHEMA
from fakes.runs import RULES, a_world
from fakes.writing import write

UNUSED = '@id("never") permit(principal, action == Callgate::Action::"shop___list", resource);'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(StoreSettings(path=tmp_path / "r.db"), *a_world().entries)
    (tmp_path / "p.cedar").write_text(RULES + UNUSED)
    tools = [{"name": "refund", "inputSchema": SCHEMA}, {"name": "list", "inputSchema": SCHEMA}]
    (tmp_path / "tools.json").write_text(json.dumps({"shop": tools}))
    return tmp_path


def run(directory: Path, *arguments: str) -> Result:
    given = ["--policies", "p.cedar", "--tools", "tools.json", "--store", "r.db", "--since", "2020-01-01"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        return CliRunner().invoke(usage, [*given, *arguments])


def test_what_was_never_used_is_told(directory: Path) -> None:
    result = run(directory)

    assert result.exit_code == 0, result.output
    assert "28 calls looked at, 2026-09-21 to 2026-09-21" in result.output
    assert "tools: 1 of 2 were called\n  never called: shop___list" in result.output
    assert "policies: 1 of 2 decided something" in result.output
    assert "never decided: permit never (p.cedar:1)" in result.output
    assert "small permitted 27 calls, and none of shop___list" in result.output
    assert "ada: 28 calls, used 1 of 2 tools\n    may, and never did: shop___list" in result.output


def test_the_same_as_json_for_one_principal(directory: Path) -> None:
    told = json.loads(run(directory, "--json", "--principal", "nobody").stdout)

    assert told["calls"] == 28
    assert told["principals"] == []
    assert told["tools"]["shop___list"]["calls"] == 0


def test_where_nothing_was_called_nothing_is_said(directory: Path) -> None:
    result = run(directory, "--since", "2036-01-01")

    assert result.exit_code == 2
    assert "no call in this time" in result.output
