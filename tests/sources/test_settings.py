"""The `policies:` block."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from callgate.sources.settings import GitSettings, PoliciesSettings


def test_by_default_policies_are_files_and_bite() -> None:
    settings = PoliciesSettings()

    assert (settings.mode, settings.files, settings.git, settings.store) == (
        "enforce",
        ("policies/*.cedar",),
        None,
        False,
    )


@pytest.mark.parametrize(
    "repository",
    [
        "https://host.example/p.git",
        "ssh://git@host.example/p.git",
        "file:///srv/p",
        "../p",
        "/srv/p",
    ],
)
def test_a_repository_is_a_url_or_a_path(repository: str) -> None:
    assert GitSettings(repository=repository).repository == repository


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"repository": "git@host.example:p.git"}, "write ssh://user@host/path"),
        ({"repository": "ftp://host.example/p"}, "must begin with https://"),
        ({"repository": "https://ada:secret@host.example/p"}, "must not carry credentials"),
        ({"repository": "--upload-pack=evil"}, "is not the address"),
        ({"repository": ""}, "is not the address"),
        ({"repository": "a", "ref": "--all"}, "must be the name of a branch"),
        ({"repository": "a", "ref": "a..b"}, "must be the name of a branch"),
        ({"repository": "a", "path": "/etc/*"}, "below the root"),
        ({"repository": "a", "path": "../*.cedar"}, "below the root"),
        ({"repository": "a", "poll_seconds": 0.5}, "greater than or equal to 1"),
        ({"repository": "http://host.example/p", "password": "x"}, "in the clear"),
        ({"repository": "ssh://host.example/p", "password": "x"}, "in the clear"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        GitSettings.model_validate(settings)


@pytest.mark.parametrize("repository", ["https://host.example/p", "http://127.0.0.1:8000/p"])
def test_a_password_goes_where_nobody_reads_it_on_the_way(repository: str) -> None:
    settings = GitSettings.model_validate({"repository": repository, "password": "hunter2"})

    assert "hunter2" not in repr(settings)
