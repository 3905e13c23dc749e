"""An interceptor that enriches: policy decides on what the desk knows, not on what agents say."""

from __future__ import annotations

import orders

from callgate.interceptors import Decision, Request


async def of_order(request: Request) -> Decision:
    """Adds `days` since delivery and what is `left` to refund; refuses an unknown order."""
    order = orders.ORDERS.get(request.arguments["order"])
    if order is None:
        return Decision(refuse="There is no such order. Look it up before you refund it.")
    return Decision(enrich={"days": order.days, "left": round(order.paid - order.refunded, 2)})
