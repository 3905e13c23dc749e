"""What shadow policies would have done is counted, per policy, tool and principal."""

from typing import Any

from callgate.audit.shadows import MAX_EXAMPLES, Report


def call(number: int, *flips: tuple[str, str], **more: Any) -> dict[str, Any]:
    told = [{"policy": policy, "would": would, "reason": ""} for policy, would in flips]
    return {
        "call": f"c{number}",
        "principal": {"id": "ada"},
        "target": "shop",
        "tool": "refund",
        "decision": {"permitted": True, "flips": told},
        **more,
    }


def test_flips_are_counted_and_calls_without_a_decision_are_not() -> None:
    report = Report()
    report.add(
        [
            call(1, ("s", "refuse")),
            call(2, ("s", "permit"), ("t", "refuse"), principal=None, tool=None, name="x___y"),
            call(3),
            call(4, decision=None),
        ]
    )

    assert report.decided == 3
    of = report.policies["s"]
    assert (of.refuses, of.permits) == (1, 1)
    assert of.tools == {"shop___refund": 1, "x___y": 1}
    assert of.principals == {"ada": 1, "nobody": 1}
    assert of.examples == ["c1", "c2"]
    assert report.policies["t"].refuses == 1


def test_few_examples_are_kept() -> None:
    report = Report()
    report.add(call(number, ("s", "refuse")) for number in range(100))

    assert report.policies["s"].refuses == 100
    assert len(report.policies["s"].examples) == MAX_EXAMPLES
