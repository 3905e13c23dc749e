"""Starters are whole programs that say nothing of ours."""

import pytest

from callgate.cli.interceptor.starters import STARTERS


@pytest.mark.parametrize("kind", STARTERS)
def test_a_starter_is_python_once_it_has_a_name(kind: str) -> None:
    starter = STARTERS[kind]

    for text in (starter.code, starter.test):
        assert "NAME" in text and text.endswith("\n")
        compile(text.replace("NAME", "tidy"), "starter", "exec")
        assert all(len(line) <= 100 for line in text.splitlines())
