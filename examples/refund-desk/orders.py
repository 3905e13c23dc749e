"""What the desk knows: a stand-in for its database."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class Order:
    """One order, in euros."""

    paid: float
    days: int  # since it was delivered
    refunded: float = 0.0

    def shown(self) -> dict[str, object]:
        """For agents."""
        return asdict(self)


ORDERS = {
    "A-1": Order(paid=80.0, days=3),
    "A-2": Order(paid=950.0, days=10),
    "A-3": Order(paid=40.0, days=90),
}
