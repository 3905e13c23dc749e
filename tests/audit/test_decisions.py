"""A decision reads well: what decided, on which values, and what would have flipped it."""

from typing import Any

from callgate.audit.decisions import in_words

ACCOUNT = {
    "policies": [
        {
            "id": "big",
            "place": "shop.cedar:9",
            "effect": "forbid",
            "mode": "active",
            "state": "satisfied",
            "clauses": [
                {
                    "kind": "when",
                    "text": "context.input.amount > 100",
                    "line": 12,
                    "holds": True,
                    "values": {"context.input.amount": 250},
                    "error": "",
                },
                {
                    "kind": "unless",
                    "text": 'principal in Callgate::Group::"leads"',
                    "line": 13,
                    "holds": True,
                    "values": {"principal's groups": ["support"]},
                    "error": "",
                },
            ],
        },
        {
            "id": "odd",
            "place": "shop.cedar:20",
            "effect": "permit",
            "mode": "shadow",
            "state": "failed",
            "clauses": [
                {
                    "kind": "when",
                    "text": "context.input.n * 2 > 1",
                    "line": 21,
                    "holds": None,
                    "values": {},
                    "error": "overflow",
                }
            ],
        },
    ],
    "near": [{"policy": "big", "change": "not (context.input.amount > 100)"}],
}


def words(**decision: Any) -> list[str]:
    settings: dict[str, Any] = {"permitted": False, "policies": [], "errors": [], "reason": ""}
    return list(in_words({**settings, **decision}))


def test_a_refusal_is_told_clause_by_clause() -> None:
    assert words(policies=["big"], places=["shop.cedar:9"], account=ACCOUNT, version="v1") == [
        "Policy refuses the call: it is forbidden by policy big (shop.cedar:9).",
        "The forbid big (shop.cedar:9) forbids it.",
        "  context.input.amount > 100 (12): holds; context.input.amount is 250",
        '  unless principal in Callgate::Group::"leads" (13): holds; '
        'principal\'s groups is ["support"]',
        "The shadow permit odd (shop.cedar:20) failed.",
        "  context.input.n * 2 > 1 (21): failed: overflow",
        "It would be permitted if not (context.input.amount > 100) (big).",
        "The policy set had the version v1.",
    ]


def test_a_clause_is_told_on_one_line_however_it_is_laid_out() -> None:
    clause = {"kind": "unless", "text": "a &&\n    b", "line": 3, "holds": True, "values": {}}
    policy = {"id": "p", "place": "p:1", "effect": "forbid", "state": "satisfied", "mode": "active"}

    assert "  unless a && b (3): holds" in words(
        account={"policies": [{**policy, "clauses": [clause]}]}, policies=["p"]
    )


def test_observing_and_shadow_flips_are_told() -> None:
    flips = [{"policy": "s", "would": "refuse", "reason": "forbidden by s"}]

    assert words(permitted=True, policies=["p"], places=["a:1"], flips=flips, enforced=False) == [
        "Policy permits the call: policy p (a:1).",
        "The gateway only observes: nothing is refused because of this.",
        "The shadow policy s would refuse it: forbidden by s.",
    ]


def test_a_decision_of_an_older_record_has_no_places() -> None:
    assert words(permitted=True, policies=["p", "q"]) == ["Policy permits the call: policies p, q."]


def test_no_decision_is_said_so() -> None:
    assert list(in_words(None)) == ["Policy was not asked: the call ended before that."]
