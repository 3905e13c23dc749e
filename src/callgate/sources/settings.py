"""The `policies:` block of callgate.yaml: where policies come from, and whether they bite."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from callgate.protocol.origins import is_loopback
from callgate.settings import Settings

SCHEMES = ("https", "http", "ssh", "file")
_SCP = re.compile(r"^[\w.-]+@[\w.-]+:[^/].*$")  # git@host:path
_REF = re.compile(r"^(?!.*(?:\.\.|//|@\{|/$|\.lock$))[A-Za-z0-9][A-Za-z0-9._/+-]*$")


class GitSettings(Settings):
    """Policies out of a git repository, looked at again and again. Needs `callgate[git]`."""

    repository: str
    """`https://…`, `ssh://…`, or a path on this machine, relative to this file."""

    ref: str = "HEAD"
    """A branch, a tag, or a full commit id, which then never changes."""

    path: str = "**/*.cedar"
    """Which files in the repository: a pattern (`*`, `**`), relative to its root."""

    poll_seconds: Annotated[float, Field(ge=1)] = 60.0
    """How long between two looks for another commit."""

    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    """How long one look may take; after that it is ended, and the policies at hand stay."""

    max_megabytes: Annotated[int, Field(ge=1, le=4096)] = 256
    """The most that one fetch may bring to the disk, and hold in memory."""

    username: str | None = None
    """For `https://`; many hosts take any name beside a token."""

    password: SecretStr | None = None
    """The password or token for it. A reference, never the text."""

    @field_validator("repository")
    @classmethod
    def _can_be_reached(cls, repository: str) -> str:
        if _SCP.match(repository):
            raise ValueError("write ssh://user@host/path instead of user@host:path")
        parts = urlsplit(repository)
        if "://" in repository and parts.scheme not in SCHEMES:
            raise ValueError(f"must begin with {', '.join(f'{s}://' for s in SCHEMES)} or a path")
        if parts.scheme in ("http", "https") and "@" in parts.netloc:
            raise ValueError("must not carry credentials; use `username` and `password`")
        if repository.startswith("-") or not repository.isprintable() or not repository:
            raise ValueError("is not the address of a repository")
        return repository

    @field_validator("ref")
    @classmethod
    def _names_a_ref(cls, ref: str) -> str:
        if not _REF.fullmatch(ref):
            raise ValueError("must be the name of a branch or tag, or a commit id")
        return ref

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/") or not path:
            raise ValueError("must be a pattern below the root of the repository")
        return path

    @model_validator(mode="after")
    def _keeps_its_password_to_itself(self) -> Self:
        if self.password is None:
            return self
        parts = urlsplit(self.repository)
        is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not is_local:
            raise ValueError("would send `password` in the clear; use an https `repository`")
        return self


class PoliciesSettings(Settings):
    """Which Cedar policies decide. Without any, every call is refused.

    Files, git and the store may stand beside each other: what they hold is one set, in which each
    id is there once.
    """

    mode: Literal["enforce", "observe"] = "enforce"
    """`observe`: policies are evaluated and their verdicts recorded, and nothing is refused for
    them."""

    files: tuple[str, ...] = ("policies/*.cedar",)
    """Files and patterns (`*`, `**`), relative to this file."""

    git: GitSettings | None = None
    """Policies out of a git repository."""

    store: bool = False
    """Whether policies can also be kept in the record's database, through the control API."""

    lists: Literal["plain", "hints", "narrow"] = "plain"
    """What `tools/list` says of arguments that policies still permit: nothing; beside the tool, in
    `_meta`; or in its input schema."""
