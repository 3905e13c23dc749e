"""The guard for command lines: named programs, plain words, and nothing that a shell expands."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from callgate.interceptors.guarding.guards import Guard, GuardSettings

MAX_CHARACTERS = 10_000

Allowance = Literal[
    "pipes",
    "sequences",
    "background",
    "redirections",
    "heredocs",
    "substitutions",
    "variables",
    "globs",
    "assignments",
    "compounds",
    "outer_paths",
    "spaces",
    "quotes",
]
REWRITABLE: frozenset[Allowance] = frozenset(("pipes", "sequences", "outer_paths"))


class GuardShellSettings(GuardSettings):
    """What command lines a target may be given. POSIX shells and bash are meant."""

    kind: Literal["command", "argument"] = "command"
    """`command`: a field is a command line. `argument`: a field becomes one argument of a program,
    so that it must be no option, and plain even if the target puts it into a command line."""

    programs: tuple[str, ...] = ()
    """The programs that may be run, each with its first words if need be: `ls`, `git log`. They are
    compared word for word: `/bin/ls` is not `ls`. One that runs others (`xargs`, `env`, `sh`)
    stands for all."""

    options: tuple[str, ...] | None = None
    """Only these options, such as `--oneline`, `-n`; any where left out. An `argument` may be one
    of them, and no other where left out."""

    refuse_options: tuple[str, ...] = ()
    """Options that may not be used, with every abbreviation and every cluster that holds them:
    `--output` is also `--out`, `-o` also `-xo`."""

    allow: frozenset[Allowance] = frozenset()
    """What is refused otherwise: `pipes`; `sequences` (`;`, `&&`, `||`, more than one line);
    `background` (`&`); `redirections` (`>`, `<`); `heredocs`; `substitutions` (`$(…)`, backticks);
    `variables` (`$x`); `globs` (`*`, `?`, `{a,b}`, `~`); `assignments` (`A=1 ls`); `compounds`
    (`if`, functions, subshells, `!`); `outer_paths` (`/etc`, `../x`). In an `argument` also
    `spaces` and `quotes`."""

    mode: Literal["check", "rewrite"] = "check"
    """`check`: the text goes on as it is. `rewrite`: the target gets the words that were read,
    each one quoted anew, so that no shell can read others."""

    max_characters: int = Field(default=2_000, ge=1, le=MAX_CHARACTERS)
    """Longer texts are refused."""

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind == "command" and not self.programs:
            raise ValueError("`programs`: name at least one program")
        if self.kind == "argument" and (self.programs or self.refuse_options):
            raise ValueError("`programs` and `refuse_options` are for `kind: command`")
        if any(not program.split() for program in self.programs):
            raise ValueError("`programs`: a name is empty")
        if self.kind == "command" and self.mode == "rewrite" and self.allow - REWRITABLE:
            extra = ", ".join(sorted(self.allow - REWRITABLE))
            raise ValueError(f"`mode: rewrite` cannot be with `allow`: {extra}")
        return self


def load_guard(settings: GuardShellSettings) -> Guard:
    """The guard for these settings."""
    # The grammar is a compiled library, which only those load who use it.
    from callgate.interceptors.guarding.shell_guard import ShellGuard  # noqa: PLC0415

    return ShellGuard(settings)
