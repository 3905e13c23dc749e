"""What an agent can do with documents."""

DOCUMENTS = {"plan": "Ship in May.", "salaries": "Grace 9000, Ada 9100"}


def read(name: str) -> str:
    """Reads a document."""
    return DOCUMENTS.get(name, "")


def delete(name: str) -> str:
    """Deletes a document."""
    return f"{name} is gone"
