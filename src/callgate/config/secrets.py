"""Recognises secrets: by the name of what holds them, and by their own shape."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callgate.config.problems import Path, Problem
from callgate.config.source import Node

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LAST_WORDS = frozenset(
    {"AUTHORIZATION", "COOKIE", "CREDENTIAL", "CREDENTIALS", "PASSPHRASE", "PASSWD", "PASSWORD",
     "SECRET", "TOKEN", "APIKEY"}
)  # fmt: skip
_HOLDERS = frozenset({"headers", "env", "metadata"})
_HOLDERS_OF_TOKENS = frozenset({"operators", "readers"})
_KEYS = frozenset(
    {"secret", "client_secret", "password", "token", "api_key", "seal_key", "secret_access_key",
     "session_token"}
)  # fmt: skip
_ONLY_WITH_OTHERS = frozenset({"PAT", "PWD"})  # `PWD` alone is a directory
_LAST_PAIRS = frozenset(
    {("API", "KEY"), ("ACCESS", "KEY"), ("AUTH", "KEY"), ("PRIVATE", "KEY"), ("SECRET", "KEY"),
     ("SERVICE", "KEY"), ("APP", "KEY"), ("SUBSCRIPTION", "KEY")}
)  # fmt: skip
_SHAPES = re.compile(
    r"""
    \b(?:
        gh[pousr]_[A-Za-z0-9]{20,} | github_pat_[A-Za-z0-9_]{20,} | glpat-[\w-]{16,}
      | sk-[A-Za-z0-9_-]{16,} | xox[abeprs]-[A-Za-z0-9-]{10,} | AKIA[A-Z0-9]{16}
      | AIza[\w-]{30,} | ntn_[A-Za-z0-9]{20,} | hf_[A-Za-z0-9]{20,} | npm_[A-Za-z0-9]{20,}
      | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,} | cgk_[\w-]{43}
      | eyJ[\w-]{8,}\.[\w-]+\.[\w-]*
    )
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY.*
    | PRIVATE\+KEY\+[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{20,}
    """,
    re.VERBOSE | re.DOTALL,
)
_USERINFO = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*:([^/@\s]+)@", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether a header, variable or parameter of this name holds a secret.

    `X-Api-Key`, `GITHUB_TOKEN`, `clientSecret` do; `MAX_TOKENS`, `TOKEN_LIMIT`, `KEYBOARD` do not.
    """
    words = tuple(word.upper() for word in _WORDS.findall(name))
    if not words:
        return False
    return (
        words[-1] in _LAST_WORDS
        or words[-2:] in _LAST_PAIRS
        or (len(words) > 1 and words[-1] in _ONLY_WITH_OTHERS)
    )


def is_secret_text(text: str) -> bool:
    """Whether a text contains a credential of a known form, or a URL with a password."""
    return bool(find_secrets(text))


def find_secrets(text: str) -> list[tuple[int, int]]:
    """Where credentials of known forms stand in a text: (begin, end), in order."""
    found = [match.span() for match in _SHAPES.finditer(text)]
    userinfo = _USERINFO.match(text)
    if userinfo is not None:
        found = [userinfo.span(1), *(span for span in found if span[0] >= userinfo.end())]
    return found


def literal_secrets(root: Node, name: str) -> Iterator[Problem]:
    """Secrets that stand in a document as they are. Their text is not repeated."""
    for path, node in root.walk():
        if node.written is not None or not isinstance(node.value, str) or not node.value:
            continue
        if _names_secret(path) or is_secret_text(node.value):
            message = (
                "a secret must not stand in this file; "
                "write it as a reference: ${env:NAME} or ${file:PATH}"
            )
            yield Problem.at(name, root.place(path), path, message)


def _names_secret(path: Path) -> bool:
    """Whether the key at the path holds a secret: a header, a variable, or a key that says so."""
    key = path[-1] if path else ""
    if not isinstance(key, str):
        return False
    parent = path[-2] if len(path) > 1 else ""
    if parent == "enriches":  # names of facts and their types
        return False
    if parent in _HOLDERS_OF_TOKENS:
        return True
    return key in _KEYS or (parent in _HOLDERS and is_secret_name(key))
