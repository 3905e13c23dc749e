"""The interceptors: each a function of what it is shown, that returns what it wants, or None."""

import json

from shop import CUSTOMERS

from callgate.interceptors import Decision, Request, Result


def whole_cents(request: Request) -> Decision | None:
    """Changes arguments: they are validated and authorized as they are changed."""
    asked = request.arguments["amount"]
    amount = round(asked, 2)
    if amount == asked:
        return None
    return Decision(arguments={**request.arguments, "amount": amount}, note=f"{asked} -> {amount}")


async def history(request: Request) -> Decision:
    """Adds a fact for policy: how often the customer was refunded. Refuses whom nobody knows."""
    known = CUSTOMERS.get(request.arguments["customer"])
    if known is None:
        return Decision(refuse="There is no such customer. Look the number up first.")
    return Decision(enrich={"refunds": known["refunds"]})


def hide_address(result: Result) -> Decision | None:
    """Changes a result: addresses are for people in the group `dispatch`."""
    if "dispatch" in result.principal.groups or result.is_error:
        return None
    shown = {**result.result["structuredContent"], "address": "[hidden]"}
    # A Python target says its result twice: as structure, and as text.
    text = [{"type": "text", "text": json.dumps(shown)}]
    return Decision(
        result={**result.result, "structuredContent": shown, "content": text},
        labels=("customer-data",),
    )
