"""What may be done to a record. Agents call these as tools; others only ask whether they may."""

from typing import Literal

RecordId = Literal["record-1", "record-2"]
Status = Literal["active", "archived"] | None

RECORDS = {"record-1": "A contract.", "record-2": "An older contract."}


def read(
    id: RecordId, status: Status = None, owner: str | None = None, method: str | None = None
) -> str:
    """Reads a record."""
    return RECORDS[id]


def write(id: RecordId, status: Status = None, text: str = "") -> str:
    """Writes a record."""
    RECORDS[id] = text
    return f"{id} has {len(text)} characters."


def delete(id: RecordId, soft: bool, status: Status = None) -> str:
    """Deletes a record; softly, it can be brought back."""
    return f"{id} is {'hidden' if soft else 'gone'}."
