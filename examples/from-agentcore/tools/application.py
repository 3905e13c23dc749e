"""Insurance applications."""


def create_application(applicant_region: str, coverage_amount: int) -> str:
    """Create an insurance application."""
    return f"An application for {coverage_amount} in {applicant_region} is open."
