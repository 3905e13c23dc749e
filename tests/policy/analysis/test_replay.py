"""The real engine is asked, policy by policy and all together."""

from callgate.policy.account import State
from callgate.policy.analysis.findings import Example
from callgate.policy.analysis.replay import Replay, example
from callgate.policy.engine import Question
from fakes.calls import a_principal
from fakes.subjects import a_payment, a_subject

SUBJECT = a_subject(
    """
    @id("small") permit when { context.input.amount < 100 };
    @id("huge") @mode("shadow") forbid when { context.input.amount * 2 > 50 };
    @id("euros") forbid when { context.input.currency != "EUR" };
    """
)


def asked(amount: int, currency: str = "EUR") -> Question:
    arguments = {"amount": amount, "currency": currency}
    return Question(
        principal=a_principal(), tool=a_payment(), arguments=arguments, enriched={}, now=0.0
    )


def test_one_policy_is_told_by_itself_whatever_its_effect_and_mode() -> None:
    replay = Replay(SUBJECT)
    small, huge, euros = SUBJECT.policies

    assert replay.state(small, asked(5)) is State.SATISFIED
    assert replay.state(small, asked(500)) is State.UNSATISFIED
    assert replay.state(huge, asked(30)) is State.SATISFIED
    assert replay.state(huge, asked(2**62)) is State.FAILED
    assert replay.state(euros, asked(5, "USD")) is State.SATISFIED


def test_all_together_give_the_verdict() -> None:
    replay = Replay(SUBJECT)

    assert replay.verdict(SUBJECT.policies, asked(5)).is_permitted
    assert replay.verdict(SUBJECT.policies, asked(5, "USD")).policies == ("euros",)


def test_an_example_shows_the_request() -> None:
    assert example(asked(5), "permitted by small") == Example(
        principal=a_principal(),
        principal_type="OAuthUser",
        tool="shop___refund",
        arguments={"amount": 5, "currency": "EUR"},
        enriched={},
        now=0.0,
        outcome="permitted by small",
    )
