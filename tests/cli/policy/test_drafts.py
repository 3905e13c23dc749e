"""A draft goes where nothing reads it; only a person at a terminal has it installed."""

from pathlib import Path

import click
import pytest

from callgate.cli.policy.drafts import Wanted, cases_path, check_install, require_place, write
from callgate.cli.policy.grounds import CannotSay
from callgate.config import load_config
from callgate.policy.source import ACTIVE, SHADOW

CONFIG = "identity: {anonymous: true}\ntargets: {}\npolicies: {files: [policies/*.cedar]}\n"


def test_a_draft_is_a_shadow_unless_it_is_to_decide() -> None:
    assert (Wanted().mode, Wanted(active=True).mode) == (SHADOW, ACTIVE)


def test_a_new_file_elsewhere_is_fine_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "callgate.yaml").write_text(CONFIG)
    (tmp_path / "policies").mkdir()
    config = load_config(tmp_path / "callgate.yaml")

    require_place(tmp_path / "drafts" / "a.cedar", config)
    require_place(tmp_path / "policies" / "a.cedar", None)

    assert not (tmp_path / "drafts").exists()
    for path in ("policies/a.cedar", "drafts/a.txt"):
        with pytest.raises(CannotSay):
            require_place(tmp_path / path, config)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    output = tmp_path / "a.cedar"
    write(output, "// one\n", "cases: []\n", "1 policy")

    assert cases_path(output).read_text() == "cases: []\n"
    with pytest.raises(CannotSay, match="is there already"):
        require_place(output, None)


def test_installing_needs_a_draft_and_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError):
        check_install(None, is_piped=False)
    with pytest.raises(CannotSay):
        check_install(tmp_path / "a.cedar", is_piped=True)
