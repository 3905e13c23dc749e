"""`callgate audit`: proves that the record was not changed, as a whole and entry by entry."""

from __future__ import annotations

import click

from callgate.cli.audit.bundle import bundle
from callgate.cli.audit.checkpoint import checkpoint
from callgate.cli.audit.erase import erase
from callgate.cli.audit.hold import hold
from callgate.cli.audit.keys import key
from callgate.cli.audit.move import move
from callgate.cli.audit.proving import check_receipt, proof, receipt
from callgate.cli.audit.verify import verify


@click.group()
def audit() -> None:
    """Prove that the record was not changed."""


for command in (verify, checkpoint, proof, receipt, check_receipt, bundle, key, move, hold, erase):
    audit.add_command(command)
