"""A receiver nobody had written to before stands out, the more so at a strange domain."""

from callgate.review.finding import History, Severity
from fakes.steps import a_step, found_in, refused

KNOWN = History(
    calls=100,
    recipients=frozenset({"bob@example.com"}),
    domains=frozenset({"example.com"}),
)


def test_a_new_address_at_a_known_domain_is_a_notice() -> None:
    (found,) = found_in("new_recipient", [a_step("mail___send_email", {"to": "eve@example.com"})], KNOWN)  # fmt: skip

    assert found.severity is Severity.NOTICE
    assert found.sentence == "mail___send_email sent to eve@example.com for the first time."
    assert found.places[0].path == "/to"


def test_one_at_a_domain_that_was_never_met_is_a_warning() -> None:
    steps = [a_step("mail___send_email", {"to": "eve@evil.example"}) for _ in range(3)]
    (found,) = found_in("new_recipient", steps, KNOWN)

    assert found.severity is Severity.WARNING
    assert found.sentence.endswith("at a domain that was never met either.")
    assert len(found.places) == 3


def test_known_receivers_reading_refusals_and_beginners_are_none() -> None:
    to_eve = {"to": "eve@evil.example"}
    assert not found_in("new_recipient", [a_step("mail___send_email", {"to": "Bob@example.com"})], KNOWN)  # fmt: skip
    assert not found_in("new_recipient", [a_step("mail___search", to_eve)], KNOWN)
    assert not found_in("new_recipient", [refused("mail___send_email", to_eve)], KNOWN)
    assert not found_in("new_recipient", [a_step("mail___send_email", to_eve)], History(calls=5))
