"""Judges a command line by its words, and a single argument by what a shell would make of it."""

from __future__ import annotations

import re
import shlex

from callgate.interceptors.guard_shell import GuardShellSettings
from callgate.interceptors.guarding.guards import Guard, Objection
from callgate.interceptors.guarding.shell_reading import (
    Command,
    check_characters,
    is_glob,
    read_line,
)

_OUTER = re.compile(
    r"(?:^|[=,@]|:(?!//))[/~]"  # /etc, --file=/etc, host:/etc, but not https://
    r"|^-[A-Za-z][/~]"  # -f/etc
    r"|(?:^|[=:,/@]|^-[A-Za-z])\.\.(?:/|$)"  # ../x, a/../b
)
_IN_ARGUMENTS = (
    ("|", "pipes"),
    (";\n", "sequences"),
    ("&", "background"),
    ("<>", "redirections"),
    ("`", "substitutions"),
    ("$", "variables"),
    ("!()#", "compounds"),
    (" \t", "spaces"),
    ("'\"\\", "quotes"),
)
"""What a character would be to a shell, if a target put an argument into a command line."""

_WORDS = {
    "pipes": "a pipe",
    "sequences": "more than one command",
    "background": "`&`",
    "redirections": "a redirection",
    "heredocs": "a here-document",
    "substitutions": "a command or a calculation inside another",
    "variables": "a variable",
    "globs": "a pattern for names",
    "assignments": "an assignment",
    "compounds": "a construct of the shell",
    "outer_paths": "a path out of the working directory",
    "spaces": "a space",
    "quotes": "a quote or a backslash",
}


class ShellGuard(Guard):
    """Refuses what runs more than it may, and what shells may read in different ways."""

    inline_characters = 500  # a line that is made to be hard takes 6 ms, 20 µs else
    most_characters = 200_000

    def __init__(self, settings: GuardShellSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._programs = [tuple(program.split()) for program in settings.programs]

    def look(self, text: str) -> str:
        """The text as it may go on. Raises Objection."""
        most = self._settings.max_characters
        if len(text) > most:
            raise Objection(f"is longer than {most} characters")
        is_command = self._settings.kind == "command"
        return self._command_line(text) if is_command else self._argument(text)

    def _command_line(self, text: str) -> str:
        line = read_line(text)
        self._check_uses(line.uses)
        if not line.commands:
            raise Objection("holds no command")
        for command in line.commands:
            self._check_command(command)
        if self._settings.mode == "check":
            return text
        if line.plain is None:
            raise Objection("cannot be written as plain words")
        return line.plain

    def _check_uses(self, uses: frozenset[str]) -> None:
        refused = sorted(uses - self._settings.allow)
        if refused:
            raise Objection(f"holds {_WORDS[refused[0]]}, which may not be used")

    def _check_command(self, command: Command) -> None:
        words = command.words
        program = next((one for one in self._programs if words[: len(one)] == one), None)
        if program is None:
            name = "?" if not words or words[0] is None else words[0][:40]
            may = ", ".join(self._settings.programs)
            raise Objection(f"runs {name!r}; only these may be run: {may}")
        is_option_over = False
        for word in words[len(program) :]:
            if word is None:
                continue  # variables and the like are allowed: what they hold is not known
            is_option_over = is_option_over or word == "--"
            if word[:1] == "-" and word != "-" and not is_option_over:
                self._check_option(word)
            self._check_place(word)

    def _check_place(self, word: str) -> None:
        if "outer_paths" not in self._settings.allow and _OUTER.search(word) is not None:
            raise Objection(f"holds {_WORDS['outer_paths']}, which may not be used")

    def _check_option(self, word: str) -> None:
        if self._settings.options is not None and not _is_among(word, self._settings.options):
            raise Objection(f"uses the option {_name(word)}, which is not among those that may be")
        for option in self._settings.refuse_options:
            if _may_be(word, option):
                raise Objection(f"uses the option {_name(word)}, which may not be used")

    def _argument(self, text: str) -> str:
        """A text that is to be one argument."""
        check_characters(text, besides="\n")
        options = self._settings.options or ()
        if text[:1] == "-" and text != "-" and not _is_among(text, options):
            raise Objection("starts with `-`, so that a program may take it for an option")
        uses = {name for characters, name in _IN_ARGUMENTS if not set(characters).isdisjoint(text)}
        if is_glob(text):
            uses.add("globs")
        if _OUTER.search(text) is not None:
            uses.add("outer_paths")
        self._check_uses(frozenset(uses))
        return shlex.quote(text) if self._settings.mode == "rewrite" else text


def _name(word: str) -> str:
    return word.partition("=")[0][:40]


def _is_among(word: str, options: tuple[str, ...]) -> bool:
    """Whether an option is one of some: with its value, or as a cluster of them (`-la`)."""
    name, _, value = word.partition("=")
    if word in options or (value and name in options and name.startswith("--")):
        return True
    if word.startswith("--"):
        return False
    letters = word[1:]
    if letters.isalpha():
        return all(f"-{letter}" in options for letter in letters)
    return word[:2] in options and letters[1:].isdecimal()


def _may_be(word: str, option: str) -> bool:
    """Whether a word can mean an option: whole, abbreviated, or within a cluster."""
    name = word.partition("=")[0]
    if option.startswith("--"):
        return len(name) > 2 and option.startswith(name)
    if len(option) == 2:
        return not word.startswith("--") and option[1] in name
    return name in (option, f"-{option}")
