"""What a support agent can do in a shop."""


def refund(order: str, amount: float) -> dict[str, object]:
    """Pays money back for an order."""
    return {"order": order, "refunded": amount}


def customer(order: str) -> dict[str, object]:
    """Who placed an order."""
    return {"order": order, "name": "Grace Hopper", "email": "grace@example.com"}
