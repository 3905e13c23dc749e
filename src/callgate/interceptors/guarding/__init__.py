"""What the guards have in common, and how each of them reads what it guards."""
