"""Scores of risk."""


def invoke_risk_model(API_classification: str, data_governance_approval: bool) -> str:  # noqa: N803
    """Invoke the risk model."""
    return "The risk is low."
