"""The settings of the guard for command lines, and that it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.guard_shell import GuardShellSettings, load_guard


def test_a_guard_is_made_of_its_settings() -> None:
    it = load_guard(GuardShellSettings(fields=("$.command",), programs=("ls",)))

    assert it.look("ls") == "ls"


def test_the_grammar_is_not_loaded_by_those_who_only_could_use_it() -> None:
    said = "import sys, callgate.interceptors.settings; print('tree_sitter' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    "wrong",
    [{}, {"programs": [" "]}, {"kind": "argument", "programs": ["ls"]}, {"kind": "argument", "refuse_options": ["-x"]},
     {"programs": ["ls"], "mode": "rewrite", "allow": ["globs"]}, {"programs": ["ls"], "allow": ["everything"]}],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuardShellSettings(**{"fields": ["$.c"], **wrong})
