"""`callgate review`: runs as a whole, what reviewers say of them, and test cases out of that."""

from __future__ import annotations

import click

from callgate.cli.lazily import Commands


class Review(click.Group):
    """A group whose first command need not be named: `callgate review RUN`."""

    implied = "run"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the command in, where there is none."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = [self.implied, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=Review,
    commands=Commands(
        {
            "run": "callgate.cli.review.run:run",
            "runs": "callgate.cli.review.runs:runs",
            "export-cases": "callgate.cli.review.cases:export_cases",
        }
    ),
)
def review() -> None:
    """Look at a run: its calls, where their arguments came from, and what stands out.

    `callgate review RUN` is short for `callgate review run RUN`.
    """
