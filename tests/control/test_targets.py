"""/api/v1/targets."""

from __future__ import annotations

from fakes.operators import a_status, get


def test_every_target_is_listed_as_it_stands() -> None:
    down = a_status("crm", is_ready=False, tools=0, detail="connection refused")

    answered = get("/api/v1/targets", targets=lambda: (a_status(era="modern"), down))

    assert answered.json == {
        "targets": [
            {
                "name": "shop",
                "kind": "mcp_http",
                "is_ready": True,
                "era": "modern",
                "tools": 1,
                "detail": "",
            },
            {
                "name": "crm",
                "kind": "mcp_http",
                "is_ready": False,
                "era": None,
                "tools": 0,
                "detail": "connection refused",
            },
        ]
    }
