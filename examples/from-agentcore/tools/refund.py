"""Money that goes back."""


def process_refund(order_id: str, amount: int) -> str:
    """Process a refund."""
    return f"{amount} of {order_id} goes back."
