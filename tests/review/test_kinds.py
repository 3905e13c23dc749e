"""What a tool does is read from its name, whatever its target says of it."""

import pytest

from callgate.review.kinds import is_deleting, is_making, is_of_traces, is_sending, words_of


@pytest.mark.parametrize("tool", ["mail___send_email", "slack___postMessage", "bank___transfer", "gh___add_comment"])  # fmt: skip
def test_what_sends(tool: str) -> None:
    assert is_sending(tool)


@pytest.mark.parametrize("tool", ["mail___list_messages", "mail___get_email", "crm___search", "mail___read_post"])  # fmt: skip
def test_what_only_reads_does_not_send(tool: str) -> None:
    assert not is_sending(tool)
    assert not is_deleting(tool)
    assert not is_making(tool)


def test_what_makes_and_what_deletes() -> None:
    assert is_making("files___create_file")
    assert is_deleting("files___deleteFile")
    assert is_deleting("mail___unsend")
    assert not is_deleting("mail___list_deleted")
    assert is_of_traces("host___clear_logs")
    assert not is_of_traces("shop___clear_cart")


def test_names_are_taken_apart() -> None:
    assert words_of("mail___sendHTMLMessage2") == ("send", "html", "message", "2")
    assert words_of("resources/read") == ("resources", "read")
