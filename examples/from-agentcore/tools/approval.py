"""Decisions of underwriters."""


def approve_underwriting(claim_amount: int, risk_level: str) -> str:
    """Approve underwriting of a claim."""
    return f"{claim_amount} at {risk_level} risk is approved."
