"""What is wrong with a configuration, said with line, column, key and fix; all of it at once."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.model import Value

Path = tuple[str | int, ...]


class Problem(Value):
    """One thing to change in one place of a file."""

    file: str
    line: int
    column: int
    path: str  # dotted; empty for the whole file
    message: str

    @classmethod
    def at(cls, file: str, place: tuple[int, int], path: Path, message: str) -> Problem:
        """A problem at (line, column) and a path of keys and indexes."""
        return cls(file=file, line=place[0], column=place[1], path=dotted(path), message=message)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(Exception):
    """A configuration cannot be used. `problems` holds all that was found, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(path: Path) -> str:
    """`("identity", "jwt", 0, "issuer")` → `identity.jwt[0].issuer`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
