"""A small shop: its public functions are the tools of the target `shop` in callgate.yaml."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.upstream.functions import ToolFault


@dataclass
class Customer:
    """Who buys here."""

    customer: str
    name: str
    email: str
    card: str


@dataclass
class Order:
    """What was bought. Amounts are in euros."""

    order: str
    customer: str
    item: str
    amount: int
    refunded: int = 0


_CUSTOMERS = {
    "C-17": Customer("C-17", "Nora Lindqvist", "nora@home.example", "4111 1111 1111 1111"),
    "C-23": Customer("C-23", "Emeka Obi", "emeka@home.example", "5555 5555 5555 4444"),
}
_ORDERS = {
    "A-1001": Order("A-1001", "C-17", "kettle", 60),
    "A-1002": Order("A-1002", "C-17", "armchair", 480),
    "A-1003": Order("A-1003", "C-23", "lamp", 45),
}


def find_customer(customer: str) -> Customer:
    """Look up a customer by id, such as C-17."""
    if customer not in _CUSTOMERS:
        raise ToolFault(f"There is no customer {customer}.")
    return _CUSTOMERS[customer]


def list_orders(customer: str) -> list[Order]:
    """List the orders of a customer."""
    return [order for order in _ORDERS.values() if order.customer == customer]


def refund(order: str, amount: int, reason: str) -> Order:
    """Pay back part or all of an order. The amount is in euros."""
    if order not in _ORDERS:
        raise ToolFault(f"There is no order {order}.")
    found = _ORDERS[order]
    left = found.amount - found.refunded
    if not 0 < amount <= left:
        raise ToolFault(f"{left} euros of {order} are left to refund.")
    found.refunded += amount
    return found


def sales_report(month: str) -> str:
    """Say how much was sold in a month, such as 2026-11."""
    return f"{month}: {sum(order.amount for order in _ORDERS.values())} euros"


def delete_customer(customer: str) -> str:
    """Delete a customer and all that is known about them."""
    find_customer(customer)
    del _CUSTOMERS[customer]
    return f"{customer} is deleted."
