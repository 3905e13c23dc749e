"""A bar on standard error for what takes minutes, where that is a terminal; else nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Begin = Callable[[int], None]
Tell = Callable[[int], None]


@contextmanager
def progress(doing: str) -> Iterator[tuple[Begin, Tell]]:
    """Two functions: the first hears how much there is to do, the second how much more is done."""
    console = Console(stderr=True)
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=None)
        yield (
            lambda total: bar.update(task, total=total),
            lambda done: bar.advance(task, done),
        )
