"""Recorded calls of every ending, as `audit.explain.whole` has them, with hostile texts."""

from __future__ import annotations

from typing import Any

HOSTILE = "a\r\nb\x1b[31m\u202e\u2028\x00 c"
ORIGIN = "records.example/gateway"


def a_recorded_call(**other: Any) -> dict[str, Any]:
    """A call that was let through and ran."""
    number = other.pop("number", 7)
    return {
        "format": 2,
        "call": f"c01a2292cadb12ccb4b5898ab{number:05}",
        "at": "2026-11-29T21:18:43.640009Z",
        "received_at": "2026-11-29T21:18:43.633304Z",
        "principal": {
            "id": "lea",
            "issuer": "https://issuer.example",
            "kind": "jwt",
            "groups": ["support", "leads"],
            "tenant": "shop",
            "agent": "desk-agent",
        },
        "name": "shop___refund",
        "target": "shop",
        "tool": "refund",
        "tool_sha256": "0" * 64,
        "era": "modern",
        "session": None,
        "run": "r" + "1" * 28,
        "client": {"name": "desk", "version": "0.1"},
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "labels": ["pii"],
        "arguments": {"order": "A-1002", "amount": 480, "reason": HOSTILE},
        "arguments_sha256": "1" * 64,
        "enriched": {"customers": {"tier": "gold", "risk": 3}},
        "decision": {
            "permitted": True,
            "policies": ["leads-run-the-shop", "support-serves-customers"],
            "errors": [],
            "reason": "",
            "version": "ccfabd7bb6f2",
        },
        "changes": [{"interceptor": "redact", "phase": "result", "action": "changed",
                     "paths": ["/note"], "note": "", "seconds": 0.001}],
        "code": "ok",
        "ran": "yes",
        "delivered": True,
        "result": {"sha256": "2" * 64, "bytes": 240, "error": False, "failed": False},
        "content": {"structuredContent": {"refunded": 480}},
        "seconds": {"identify": 0.00001, "forward": 0.0003},
        "records": [
            {"kind": "intent", "at": "2026-11-29T21:18:43.635Z", "log": 1, "seq": 2 * number,
             "hash": "3" * 64},
            {"kind": "outcome", "at": "2026-11-29T21:18:43.640Z", "log": 1, "seq": 2 * number + 1,
             "hash": "4" * 64},
        ],
        **other,
    }  # fmt: skip


REFUSED = {
    "code": "not_permitted", "ran": "no", "delivered": False, "result": None, "changes": None,
    "reason": f"Policy does not permit this call. {HOSTILE}",
    "decision": {"permitted": False, "policies": [], "errors": [], "reason": "no policy permits",
                 "version": "ccfabd7bb6f2"},
}  # fmt: skip


def an_erased_call(code: str) -> dict[str, Any]:
    """What is left of a call whose bodies went."""
    call = a_recorded_call(code=code)
    left = {name: call[name] for name in ("call", "records", "code")}
    at = "2026-11-29T21:18:43.633304Z"
    return {**left, "at": at, "erased": True, "ran": None, "delivered": None}


def every_ending() -> dict[str, dict[str, Any]]:
    """Ending → a call that ended so, and some that lack most."""
    failed = {"sha256": "2" * 64, "bytes": 1, "error": False, "failed": True}
    unknown: dict[str, Any] = {"principal": {"id": "lea", "issuer": "callgate", "kind": "api_key", "groups": [],
                             "tenant": None, "agent": None}}  # fmt: skip
    bare = {"target": None, "tool": None, "tool_sha256": None, "client": {}, "traceparent": None,
            "name": HOSTILE, "decision": None, "labels": None, "run": None, **unknown}  # fmt: skip
    made = {
        "completed": a_recorded_call(),
        "failed": a_recorded_call(result=failed),
        "refused": a_recorded_call(**REFUSED),
        "withheld": a_recorded_call(code="result_withheld", delivered=False, reason="kept back"),
        "broken": a_recorded_call(**{**REFUSED, "code": "interceptor_failed"}),
        "interrupted": a_recorded_call(code="interrupted", ran="unknown", delivered=False),
    }
    lacking = a_recorded_call(**{**REFUSED, **bare, "code": "unknown_tool"})
    for name in ("arguments", "content", "enriched", "arguments_sha256", "result", "changes"):
        del lacking[name]
    erased = a_recorded_call(erased=True)
    del erased["arguments"], erased["content"]
    lists = a_recorded_call(method="resources/list", tool="resources/list", name="resources/list")
    observed = a_recorded_call(decision={**REFUSED["decision"], "enforced": False})  # type: ignore[dict-item]
    down = a_recorded_call(**{**REFUSED, "code": "target_timeout", "ran": "unknown"})
    return {**made, "refused, bare": lacking, "completed, erased": erased,
            "completed, erased whole": an_erased_call("ok"),
            "refused, erased whole": an_erased_call("not_permitted"),
            "withheld, erased whole": an_erased_call("result_withheld"),
            "completed, a list": lists, "completed, observed": observed,
            "failed, no answer": down}  # fmt: skip
