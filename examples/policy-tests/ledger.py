"""What the ledger knows of a payment, as facts for policy."""

from __future__ import annotations

import bank

from callgate.interceptors import Decision, Request


async def of_payment(request: Request) -> Decision:
    """Adds who prepared the payment, and its amount; nothing where there is no such payment."""
    found = bank.PAYMENTS.get(request.arguments["payment"])
    if found is None:
        return Decision()
    return Decision(enrich={"prepared_by": found["prepared_by"], "amount": found["amount"]})
