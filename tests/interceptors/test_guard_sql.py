"""The settings of the guard for SQL, and that it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError
from sqlglot import Dialects

from callgate.interceptors.guard_sql import DIALECTS, GuardSqlSettings, load_guard

NO_DATABASES = {"", "dax", "prql", "solr", "tableau"}


def test_every_database_that_the_library_knows_can_be_named() -> None:
    assert set(DIALECTS) == {dialect.value for dialect in Dialects} - NO_DATABASES


def test_a_guard_is_made_of_its_settings() -> None:
    it = load_guard(GuardSqlSettings(fields=("$.query",), dialect="postgres"))

    assert it.look("SELECT 1") == "SELECT 1"


def test_the_library_is_not_loaded_by_those_who_only_could_use_it() -> None:
    said = "import sys, callgate.interceptors.settings; print('sqlglot' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    "wrong",
    [{"dialect": ""}, {"dialect": "nosuch"}, {"dialect": "nosuch", "kind": "value"}, {"max_rows": -1},
     {"statements": ["grant"]}, {"max_characters": 100_000}],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuardSqlSettings(**{"fields": ["$.q"], "dialect": "postgres", **wrong})
