"""A tool is in a list just where some arguments are permitted; where in doubt, it is there."""

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from callgate.model import Principal, Tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.validation import Validator
from fakes.calls import a_principal
from fakes.conditions import Subject, subjects

ADA = a_principal("ada", "agents", tenant="acme", claims={"scope": "read write", "limit": 3})


def engine(*texts: str, **more: Any) -> Engine:
    return Engine(read_policies((f"p{i}", text) for i, text in enumerate(texts)), Names(), **more)


def is_permitted(
    of: Engine, tool: Tool, arguments: dict[str, Any], principal: Principal = ADA, **more: Any
) -> bool:
    settings = {"enriched": {}, "now": 0.0, **more}
    question = Question(principal=principal, tool=tool, arguments=arguments, **settings)
    return of.authorize(question).is_permitted


@settings(max_examples=250, deadline=None, phases=[Phase.generate])
@given(subjects())
def test_a_tool_is_listed_just_where_some_arguments_are_permitted(subject: Subject) -> None:
    of = engine(subject.text)

    found = any(is_permitted(of, subject.tool, arguments) for arguments in subject.calls())

    assert of.is_listed(ADA, subject.tool, 0.0) == found


@settings(max_examples=100, deadline=None)
@given(subjects(), st.data())
def test_what_is_known_of_the_arguments_counts(subject: Subject, data: st.DataObject) -> None:
    of = engine(subject.text)
    calls = list(subject.calls())
    known = {
        name: value
        for name, value in data.draw(st.sampled_from(calls)).items()
        if data.draw(st.booleans(), name)
    }

    found = (
        any(
            is_permitted(of, subject.tool, arguments)
            for arguments in calls
            if known.items() <= {k: v for k, v in arguments.items() if k in known}.items()
        )
        if not any(isinstance(v, (list, dict)) for v in known.values())
        else None
    )

    if found is not None:
        assert of.could_be_used(ADA, subject.tool, known, 0.0) == found


@settings(max_examples=300, deadline=None)
@given(subjects())
def test_what_is_taken_to_fit_passes_the_validator(subject: Subject) -> None:
    of = engine(subject.text)
    plan = of._plans.plan(ADA, subject.tool)
    validator = Validator(Names())

    for residual in of._outlook.residuals(plan, 0.0):
        if residual.is_plain:
            context = plan.action.context
            assert not validator.invalid(subject.tool, context, [residual.policy])
