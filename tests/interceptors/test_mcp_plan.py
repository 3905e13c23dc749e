"""The execution model of SEP-2624: order, all or nothing, who blocks, who may fail."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.mcp_descriptors import Found, McpError
from callgate.interceptors.mcp_plan import Finding, Outcome, Plan
from callgate.interceptors.mcp_results import Said

NO = Said(is_blocking=True, severity="error", told="no")


def validator(name: str, **more: Any) -> Found:
    return Found(name=name, is_mutator=False, hooks=(), **more)


def mutator(name: str, priority: int = 0, **more: Any) -> Found:
    return Found(name=name, is_mutator=True, hooks=(), priorities={"request": priority}, **more)


class Host:
    """Interceptors by name: mutators append their name, unless a test says otherwise."""

    def __init__(self, **says: Any) -> None:
        self.says = says
        self.asked: list[tuple[str, str]] = []
        self.seconds: dict[str, float] = {}

    async def invoke(self, found: Found, payload: Any, seconds: float) -> Said:
        self.asked.append((found.name, payload))
        self.seconds[found.name] = seconds
        said = self.says.get(found.name)
        if isinstance(said, Exception):
            raise said
        if said is not None:
            assert isinstance(said, Said)
            return said
        if found.is_mutator:
            return Said(is_modified=True, payload=payload + found.name)
        return Said()


def check(payload: Any) -> None:
    if "!" in payload:
        raise McpError("not allowed")


def run(host: Host, *chosen: Found, is_sending: bool = True, seconds: float = 9.0) -> Outcome:
    plan = Plan(chosen, "request", is_sending=is_sending, seconds=seconds)
    return asyncio.run(plan.run("", host.invoke, check))


def test_mutators_run_by_priority_then_name_each_on_what_the_one_before_left() -> None:
    host = Host()
    outcome = run(host, mutator("c", 1), mutator("b"), mutator("a"), mutator("d", -5))

    assert outcome.payload == "dabc" and outcome.is_modified
    assert host.asked == [("d", ""), ("a", "d"), ("b", "da"), ("c", "dab")]


def test_validators_see_what_is_sent_or_what_was_received() -> None:
    sending, receiving = Host(), Host()
    run(sending, validator("v"), mutator("m"))
    run(receiving, validator("v"), mutator("m"), is_sending=False)

    assert sending.asked == [("m", ""), ("v", "m")]
    assert receiving.asked == [("v", ""), ("m", "")]


def test_all_validators_are_heard_before_anything_comes_of_it() -> None:
    host = Host(a=NO, c=NO)
    outcome = run(host, validator("a"), validator("b"), validator("c"), is_sending=False)

    assert [name for name, _ in host.asked] == ["a", "b", "c"]
    assert [one.interceptor for one in outcome.blocked_by] == ["a", "c"]


def test_a_no_of_who_receives_keeps_mutators_from_running() -> None:
    host = Host(v=NO)
    outcome = run(host, mutator("m"), validator("v"), is_sending=False)

    assert outcome.blocked_by and not outcome.is_modified
    assert host.asked == [("v", "")]


def test_a_mutator_that_must_not_fail_keeps_validators_from_running() -> None:
    host = Host(m=McpError("broken"))
    with pytest.raises(McpError, match="m: broken"):
        run(host, mutator("a"), mutator("m"), mutator("z"), validator("v"))

    assert [name for name, _ in host.asked] == ["a", "m"]


@pytest.mark.parametrize("error", [McpError("broken"), TimeoutError("slow")])
def test_one_that_may_fail_is_passed_over(error: Exception) -> None:
    host = Host(m=error, v=error)
    outcome = run(host, mutator("m", may_fail=True), mutator("n"), validator("v", may_fail=True))

    assert outcome.payload == "n"
    assert [(one.interceptor, one.what) for one in outcome.findings] == [
        ("m", "failed"),
        ("n", "changed"),
        ("v", "failed"),
    ]


def test_a_timeout_stays_one() -> None:
    with pytest.raises(TimeoutError, match="v: slow"):
        run(Host(v=TimeoutError("slow")), validator("v"))


def test_may_fail_does_not_turn_a_no_into_a_yes() -> None:
    assert run(Host(v=NO), validator("v", may_fail=True)).blocked_by


def test_who_audits_blocks_nothing_and_its_changes_are_not_applied() -> None:
    host = Host(v=NO, w=McpError("broken"))
    outcome = run(
        host,
        mutator("a", is_audit=True),
        mutator("b"),
        validator("v", is_audit=True),
        validator("w", is_audit=True),
    )

    assert (outcome.payload, outcome.blocked_by) == ("b", ())
    assert set(outcome.findings) == {
        Finding(interceptor="a", what="would_change"),
        Finding(interceptor="b", what="changed"),
        Finding(interceptor="v", what="error", told="no"),
        Finding(interceptor="w", what="failed", told="broken"),
    }


def test_a_payload_that_may_not_be_is_a_failure_of_its_mutator_alone() -> None:
    host = Host(m=Said(is_modified=True, payload="!"))
    with pytest.raises(McpError, match="m: not allowed"):
        run(host, mutator("m"))

    outcome = run(host, mutator("m", may_fail=True), mutator("n"))
    assert outcome.payload == "n"


def test_each_pass_has_its_share_of_the_time() -> None:
    host = Host()
    run(
        host,
        mutator("a"),
        mutator("b", timeout_seconds=1.0),
        mutator("c", is_audit=True, timeout_seconds=99.0),
        validator("v"),
        validator("w"),
    )

    assert host.seconds == {"a": 3.0, "b": 1.0, "c": 9.0, "v": 3.0, "w": 3.0}


@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from("ynf")), max_size=6
    ),
    st.booleans(),
)
def test_a_payload_is_released_only_where_nobody_who_counts_objects(
    drawn: list[tuple[bool, bool, bool, str]], is_sending: bool
) -> None:
    chosen: list[Found] = []
    says: dict[str, Any] = {}
    for number, (is_mutator, is_audit, may_fail, answer) in enumerate(drawn):
        make = mutator if is_mutator else validator
        chosen.append(make(f"i{number}", is_audit=is_audit, may_fail=may_fail))
        if answer == "f":
            says[f"i{number}"] = McpError("broken")
        elif answer == "n" and not is_mutator:
            says[f"i{number}"] = NO
    counts = [
        says.get(one.name)
        for one in chosen
        if not one.is_audit and not (one.may_fail and isinstance(says.get(one.name), Exception))
    ]
    applied = "".join(
        one.name for one in chosen if one.is_mutator and not one.is_audit and one.name not in says
    )
    try:
        outcome = run(Host(**says), *chosen, is_sending=is_sending)
    except McpError:
        assert any(isinstance(said, Exception) for said in counts)
        return
    if outcome.blocked_by:
        assert NO in counts
    else:
        assert not any(counts) and outcome.payload == applied
