"""What is known of tools outlives the policies."""

from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.tooling import Tooling
from fakes.calls import a_principal, a_tool

PERMIT = "permit(principal, action, resource) when { context.input.amount < 5 };"
KEY = ("shop", "tools/call", "d")


def test_a_tool_is_typed_once() -> None:
    tooling = Tooling(Names(), {})
    tool = a_tool()

    assert tooling.typed(KEY, tool) is tooling.typed(KEY, tool)


def test_an_engine_takes_over_what_fits_and_nothing_else() -> None:
    first = Engine(read_policies([("p", PERMIT)]), Names())

    assert Engine((), Names(), tooling=first.tooling).tooling is first.tooling
    for other in (
        Engine((), Names(namespace="X"), tooling=first.tooling),
        Engine((), Names(), {"facts": {"x": "string"}}, tooling=first.tooling),
    ):
        assert other.tooling is not first.tooling


def test_the_same_id_with_another_text_is_validated_anew() -> None:
    def decided(text: str, tooling: Tooling | None = None) -> tuple[bool, Engine]:
        engine = Engine(read_policies([("p", f'@id("p") {text}')]), Names(), tooling=tooling)
        question = Question(
            principal=a_principal(),
            tool=a_tool(),
            arguments={"customer": "c", "amount": 1},
            enriched={},
            now=0.0,
        )
        return engine.authorize(question).is_permitted, engine

    is_permitted, engine = decided(PERMIT.replace("amount", "amuont"))
    assert not is_permitted
    assert decided(PERMIT, engine.tooling)[0]
