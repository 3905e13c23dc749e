"""callgate policy versions, on a record that no gateway holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.cli.policy import policy
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite_file import open_to_write
from callgate.storage.versions import StoredPolicyVersions
from fakes.application import CONFIG, STORED, written
from fakes.versions import a_version


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    written(tmp_path)
    place = StoreSettings(path=tmp_path / "callgate.db")
    open_to_write(place, may_create=True).close()
    store = StoredPolicyVersions(place)
    store.add(a_version(1, a="one\ntwo"))
    store.add(a_version(2, "bob\x1b[31m", a="one\n2", b="more"))
    return tmp_path


def run(directory: Path, *arguments: str) -> Result:
    config = ["--config", str(directory / "callgate.yaml")]
    return CliRunner().invoke(policy, [*arguments, *config])


def test_versions_are_listed_newest_first(directory: Path) -> None:
    assert run(directory, "versions").output == (
        "    2  2026-09-21T14:13:22Z  bob\\x1b[31m       change 2\n"
        "    1  2026-09-21T14:13:21Z  ada               change 1\n"
    )
    lines = run(directory, "versions", "--json", "--limit", "1").output.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [2]


def test_one_version_is_shown_and_two_are_compared(directory: Path) -> None:
    assert run(directory, "versions", "--show", "2").output == "// a\none\n2\n\n// b\nmore\n\n"
    assert run(directory, "versions", "--diff", "1", "2").output == (
        "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
        "--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+more\n"
    )
    assert run(directory, "versions", "--diff", "2", "2").output == ""


@pytest.mark.parametrize(
    ("config", "arguments", "said"),
    [
        (CONFIG + STORED, ["versions", "--show", "7"], "there is no version 7"),
        (CONFIG, ["versions"], "set policies.store: true"),
        (CONFIG, ["rollback", "1"], "set policies.store: true"),
        (CONFIG + STORED + "store: {path: gone.db}\n", ["versions"], "there is no record"),
    ],
)
def test_what_is_not_there_is_said(
    directory: Path, config: str, arguments: list[str], said: str
) -> None:
    (directory / "callgate.yaml").write_text(config)

    result = run(directory, *arguments)

    assert (result.exit_code, said in result.output) == (1, True)
