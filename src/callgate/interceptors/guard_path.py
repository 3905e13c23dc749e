"""The guard for paths: every way in which a target may read them leads under the roots."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal, Self
from urllib.parse import quote, unquote_to_bytes, urlsplit

from pydantic import model_validator

from callgate.interceptors.fields import Place
from callgate.interceptors.guarding.guards import Changes, Guard, GuardSettings, Objection
from callgate.pipeline.threads import Job
from callgate.policy.readings import read

MAX_CHARACTERS = 4_096
MAX_ROUNDS = 3  # of percent-decoding

_SYSTEM = ("/proc", "/sys", "/dev")  # what is there leads anywhere, whatever its name
_DEVICE = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:[.:].*)?")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_ALIKE = frozenset(
    "\u2024\u2025\u2026\u2044\u2215\u2216\u2571\u2572\u29f5\u29f8\u29f9\u3033\uff0f\uff3c"
)
_SPECIAL = frozenset("/\\.:~%")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_WANTED = frozenset(("path", "escapes"))

_MISREAD = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"\\", "holds a backslash; write `/` between names"),
        (r"^~", "starts with `~`; write the whole path"),
        (r"^//", "starts with `//`, which some systems read as the name of a host"),
        (r"^[A-Za-z][A-Za-z0-9+.-]*:", "starts like a URL or a drive; write a plain path"),
        (r"\$[A-Za-z_({]|%[A-Za-z_][A-Za-z0-9_]*%", "holds a variable; write the whole path"),
        (r"%[uU]", "holds `%u`, which some readers decode"),
    )
)
"""What some reader takes for something else than a name in a path."""


class GuardPathSettings(GuardSettings):
    """Which places of a POSIX file system paths may lead to."""

    roots: tuple[str, ...]
    """Absolute directories: a path must be one of them or be under it."""

    relative_to: str | None = None
    """Where the target starts relative paths: a directory in a root. Where left out, relative
    paths are refused."""

    mode: Literal["check", "rewrite"] = "check"
    """`check`: paths go on as they are, and those with `..` are refused. `rewrite`: the target
    gets the plain absolute path, `..` taken out."""

    resolve: bool = False
    """Follow symbolic links, in the file system that the gateway sees; it must be the target's."""

    file_urls: bool = False
    """Whether a path may also be written as a `file:///…` URL."""

    suffixes: tuple[str, ...] = ()
    """Only names that end like this, such as `.csv`; any where left out."""

    refuse_names: tuple[str, ...] = ()
    """Names of files and directories that no path may hold, such as `.git`, `*.pem`; case does
    not matter."""

    @model_validator(mode="after")
    def _plain(self) -> Self:
        for root in self.roots:
            if not root.startswith("/") or (root != "/" and os.path.normpath(root) != root):
                raise ValueError(f"`roots`: {root!r} must be a plain absolute path, such as /data")
        if not self.roots:
            raise ValueError("`roots`: name at least one directory")
        start = self.relative_to
        if start is not None and (
            os.path.normpath(start) != start or not any(_is_in(start, root) for root in self.roots)
        ):
            raise ValueError(f"`relative_to`: {start!r} is not in one of `roots`")
        return self


class GuardPath(Guard):
    """Refuses what some reader of it would find elsewhere than under the roots."""

    def __init__(self, settings: GuardPathSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._refused = tuple(_folded(name) for name in settings.refuse_names)

    async def look_at_all(self, found: Mapping[Place, str]) -> Changes:
        """See Guard. What looks at files waits in a thread: the file system may hang."""
        if self._settings.resolve:
            return await self._threads.run(Job(lambda: self._looked(found)))
        return await super().look_at_all(found)

    def look(self, text: str) -> str:
        """The path as it may go on. Raises Objection."""
        if len(text) > MAX_CHARACTERS:
            raise Objection(f"is longer than {MAX_CHARACTERS} characters, which no path is")
        is_url = self._settings.file_urls and text[:7].lower() == "file://"
        written = _of_url(text) if is_url else text
        path = self._checked(written)
        for reading in _decoded(written):
            self._checked(reading)
        if self._settings.resolve:
            path = self._real(path)
        if self._settings.mode == "check":
            return text
        return "file://" + quote(path) if is_url else path

    def _checked(self, text: str) -> str:
        """The plain absolute path of one reading of the text. Raises Objection."""
        _check_characters(text)
        is_absolute = text.startswith("/")
        parts = text.split("/")
        for part in parts:
            _check_part(part)
        settings = self._settings
        if not is_absolute and settings.relative_to is None:
            raise Objection(f"must be an absolute path under {self._roots}")
        if ".." in parts and settings.mode == "check":
            raise Objection("holds `..`: write the path without it")
        whole = text if is_absolute else f"{settings.relative_to}/{text}"
        facts = read(whole, _WANTED)
        path = str(facts.get("path", ""))
        if not path or facts["escapes"]:
            raise Objection(f"leads out of {self._roots}")
        self._check_place(path)
        return path

    def _check_place(self, path: str) -> None:
        settings = self._settings
        root = next((root for root in settings.roots if _is_in(path, root)), None)
        if root is None:
            raise Objection(f"must lead to a place under {self._roots}")
        for system in _SYSTEM:
            if _is_in(path, system) and not _is_in(root, system):
                raise Objection(f"leads to {system}, which is no place for files")
        for part in _folded(path).split("/"):
            if any(fnmatchcase(part, pattern) for pattern in self._refused):
                raise Objection(f"leads to {part[:40]!r}, which may not be used")
        if settings.suffixes and not path.endswith(settings.suffixes):
            raise Objection(f"must end with one of {', '.join(settings.suffixes)}")

    def _real(self, path: str) -> str:
        """Where a path leads with all links followed. Blocking. Raises Objection."""
        try:
            os.stat(path)
        except FileNotFoundError:
            pass  # it may be about to be made; what is there of the way is followed
        except OSError:  # a circle of links, or a directory that only the target may look into
            raise Objection("cannot be followed to where it leads") from None
        real = os.path.realpath(path)
        if not any(_is_in(real, os.path.realpath(root)) for root in self._settings.roots):
            raise Objection(f"leads out of {self._roots} by a symbolic link")
        for part in _folded(real).split("/"):
            if any(fnmatchcase(part, pattern) for pattern in self._refused):
                raise Objection(f"leads to {part[:40]!r}, which may not be used")
        if self._settings.suffixes and not real.endswith(self._settings.suffixes):
            raise Objection("leads to a file of another kind by a symbolic link")
        return real

    @property
    def _roots(self) -> str:
        return " or ".join(self._settings.roots)


def _is_in(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root.endswith("/") else root + "/")


def _folded(name: str) -> str:
    """As file systems that do not tell case or composition apart compare names."""
    return unicodedata.normalize("NFKC", name).casefold()


def _of_url(text: str) -> str:
    """The path of a file URL, its percent-encoding taken off once. Raises Objection."""
    _check_visible(text)  # what is invisible, the library would drop
    try:
        url = urlsplit(text)
    except ValueError:
        raise Objection("is a file URL that cannot be read") from None
    if url.netloc.lower() not in ("", "localhost") or url.query or url.fragment or "?" in text:
        raise Objection("is a file URL with a host, a query or a fragment")
    return _unquoted(url.path)


def _decoded(text: str) -> list[str]:
    """What the text is for readers that take percent-encoding off, once or more often."""
    readings: list[str] = []
    for _ in range(MAX_ROUNDS):
        if _ESCAPE.search(text) is None:
            return readings
        text = _unquoted(text)
        readings.append(text)
    if _ESCAPE.search(text) is not None:
        raise Objection("is percent-encoded too often")
    return readings


def _unquoted(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except ValueError:  # also what a lone surrogate ends in
        raise Objection("holds a percent-encoding that is no UTF-8") from None


def _check_characters(text: str) -> None:
    """Nothing that some reader drops, expands or takes for another character."""
    if not text:
        raise Objection("is empty")
    _check_visible(text)
    for pattern, reason in _MISREAD:
        if pattern.search(text) is not None:
            raise Objection(reason)


def _check_visible(text: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if unicodedata.category(character) in _UNSEEN:
            raise Objection(f"holds the invisible character U+{ord(character):04X}")
        if _is_alike(character):
            raise Objection(f"holds U+{ord(character):04X}, which looks like another character")


def _is_alike(character: str) -> bool:
    """Whether it turns into a character that means something in a path, or looks like one."""
    if character.isascii():
        return False
    plain = unicodedata.normalize("NFKC", character)
    return character in _ALIKE or not _SPECIAL.isdisjoint(plain)


def _check_part(part: str) -> None:
    """One name between slashes. Raises Objection."""
    if part in ("", ".", ".."):
        return
    if part[-1] == "." or part != part.strip():
        raise Objection("holds a name with a dot or a space at its end, or a space before it")
    if _DEVICE.fullmatch(part.casefold()) is not None:
        raise Objection(f"holds {part[:40]!r}, the name of a device")
