"""`callgate usage`: what is permitted, held against what was called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.usage import usage
from callgate.storage.settings import StoreSettings
from fakes.calls import SCHEMA, a_principal
from fakes.erasing import DAY, an_erased_record
from fakes.history import a_history
from fakes.losing import lose_descriptions
from fakes.runs import RULES, a_world
from fakes.store import NOW, an_intent, an_outcome
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


BY_CLAIM = """
@id("auditors") permit(principal, action == Callgate::Action::"shop___list", resource)
when { principal.hasTag("role") && principal.getTag("role") == "auditor" };
"""


@pytest.fixture
def claiming(directory: Path) -> Path:
    """A record of one principal that only a claim lets use a tool."""
    (directory / "p.cedar").write_text(RULES + BY_CLAIM)
    (directory / "r.db").unlink()
    gil = a_principal("gil", "temps", claims={"role": "auditor"})
    a_history(directory / "r.db", (gil, 5))
    return directory


def test_rights_by_claims_are_told_of_who_is_known_from_the_record(claiming: Path) -> None:
    told = json.loads(run(claiming, "--json").stdout)["principals"]

    assert [(one["principal"], "shop___list" in one["unused"]) for one in told] == [("gil", True)]
    assert "may, and never did: shop___refund, shop___list" in run(claiming).output


def test_claims_that_were_erased_are_said_to_be(claiming: Path) -> None:
    lose_descriptions(StoreSettings(path=claiming / "r.db"))

    result = run(claiming)

    assert result.exit_code == 0, result.output
    assert (
        "    may, and never did: shop___refund\n"
        "    not known, as policies read claims there, and its claims were erased: shop___list"
    ) in result.output


def test_calls_that_were_erased_are_not_counted_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text(RULES)
    (tmp_path / "tools.json").write_text(json.dumps({"shop": []}))
    with an_erased_record("sqlite", tmp_path) as record:
        old = NOW - 10 * DAY
        record.write(an_intent("old", old), an_outcome("old", old), an_outcome("new", NOW - DAY))
        assert record.retain({"class": "calls", "keep": "5d"}) == 2
        result = run(tmp_path)

    assert result.exit_code == 0, result.output
    assert result.output.startswith("1 call looked at")
    assert (
        "1 more call or list was erased: what it used is not counted, and may be called unused"
    ) in result.output
