"""What is said of a tool's arguments holds of every call: what does not fit it is refused."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from callgate.policy.engine import Engine, Question
from callgate.policy.hints import Narrowing
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.validators import compile_schema
from fakes.calls import a_principal, a_tool
from fakes.conditions import ARGUMENTS, Subject, subjects

ADA = a_principal("ada", "agents", claims={"level": 3})


def engine(*texts: str, **more: Any) -> Engine:
    return Engine(read_policies((f"p{i}", text) for i, text in enumerate(texts)), Names(), **more)


def is_permitted(of: Engine, tool: Any, arguments: dict[str, Any]) -> bool:
    question = Question(principal=ADA, tool=tool, arguments=arguments, enriched={}, now=0.0)
    return of.authorize(question).is_permitted


def fits(schema: dict[str, Any], arguments: dict[str, Any]) -> bool:
    return jsonschema_rs.validator_for(schema).is_valid(arguments)


@settings(max_examples=250, deadline=None)
@given(subjects())
def test_what_does_not_fit_is_refused_and_where_it_is_exact_all_that_fits_is_permitted(
    subject: Subject,
) -> None:
    of = engine(subject.text)
    narrowing = of.narrowing(ADA, subject.tool, 0.0)
    if narrowing is None:
        return

    for arguments in subject.calls():
        assert compile_schema(subject.tool.input_schema).validator.is_valid(arguments)
        permitted = is_permitted(of, subject.tool, arguments)
        does_fit = fits(narrowing.schema, arguments)
        assert does_fit or not permitted, (narrowing, arguments)
        if narrowing.is_exact:
            assert permitted or not does_fit, (narrowing, arguments)
