"""/api/v1/record."""

from __future__ import annotations

from callgate.exports.exporting import ExportStatus
from callgate.witnesses.witnessing import WitnessStatus
from fakes.operators import get


def test_witnesses_and_exports_are_shown_as_they_stand() -> None:
    status = {
        "witnesses": [WitnessStatus(name="vault", seen=7, behind=2)],
        "exports": [ExportStatus(name="siem", state="failing", sent=3, fault="down")],
    }

    assert get("/api/v1/record", beside=lambda: status).json == {
        "witnesses": [
            {"name": "vault", "seen": 7, "behind": 2, "fault": None, "is_disputed": False}
        ],
        "exports": [
            {"name": "siem", "state": "failing", "sent": 3, "positions": {}, "fault": "down"}
        ],
    }
