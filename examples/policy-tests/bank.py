"""A bank with payments that are prepared first and released later."""

from __future__ import annotations

from callgate.upstream.functions import ToolFault

PAYMENTS: dict[str, dict[str, int | str]] = {
    "P-1": {"amount": 250, "to": "DE02120300000000202051", "prepared_by": "ben"},
}


def prepare(to: str, amount: int, urgent: bool = False) -> str:
    """Prepare a payment. The amount is in euros."""
    payment = f"P-{len(PAYMENTS) + 1}"
    PAYMENTS[payment] = {"amount": amount, "to": to, "prepared_by": "ada"}
    return f"{payment} is prepared{', and urgent' if urgent else ''}."


def release(payment: str) -> str:
    """Release a payment that was prepared."""
    if payment not in PAYMENTS:
        raise ToolFault(f"There is no payment {payment}.")
    return f"{payment} is released."


def list_payments() -> list[str]:
    """List the payments."""
    return sorted(PAYMENTS)
