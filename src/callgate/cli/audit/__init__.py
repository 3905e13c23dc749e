"""`callgate audit`: proves that the record was not changed, as a whole and entry by entry."""

from __future__ import annotations

import click

from callgate.cli.lazily import Commands


@click.group(
    commands=Commands(
        {
            "verify": "callgate.cli.audit.verify:verify",
            "checkpoint": "callgate.cli.audit.checkpoint:checkpoint",
            "proof": "callgate.cli.audit.proving:proof",
            "receipt": "callgate.cli.audit.proving:receipt",
            "check-receipt": "callgate.cli.audit.proving:check_receipt",
            "bundle": "callgate.cli.audit.bundle:bundle",
            "key": "callgate.cli.audit.keys:key",
            "move": "callgate.cli.audit.move:move",
            "hold": "callgate.cli.audit.hold:hold",
            "erase": "callgate.cli.audit.erase:erase",
        }
    )
)
def audit() -> None:
    """Prove that the record was not changed."""
