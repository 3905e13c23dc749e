"""The desk's tools: every public function here is one."""

from __future__ import annotations

import orders

from callgate.upstream.functions import ToolFault


def find_order(order: str) -> dict[str, object]:
    """Look up an order by its number, such as A-1."""
    return _known(order).shown()


def refund(order: str, amount: float, iban: str) -> str:
    """Pay back part or all of an order, in euros, to a bank account."""
    _known(order).refunded += amount
    return f"{amount:.2f} euros of {order} go to {iban[:4]}…"


def _known(order: str) -> orders.Order:
    if order not in orders.ORDERS:
        raise ToolFault(f"There is no order {order}.")
    return orders.ORDERS[order]
