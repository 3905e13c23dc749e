"""A shop, as a target: each function is a tool."""

CUSTOMERS = {
    "c-1": {"name": "Ada", "address": "1 Byron Street", "refunds": 0},
    "c-2": {"name": "Mallory", "address": "2 Grey Street", "refunds": 4},
}


def refund(customer: str, amount: float) -> dict[str, float]:
    """Pays money back to a customer."""
    return {"refunded": amount}


def customer(customer: str) -> dict[str, str]:
    """Who a customer is, and where."""
    found = CUSTOMERS[customer]
    return {"name": str(found["name"]), "address": str(found["address"])}
