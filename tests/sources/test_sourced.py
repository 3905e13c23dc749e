"""How a source fails."""

from __future__ import annotations

from callgate.sources.sourced import SourceError


def test_an_error_says_which_source_and_what_to_do() -> None:
    error = SourceError("policies.git", "is down; try again")

    assert (str(error), error.source) == ("policies.git: is down; try again", "policies.git")
