"""Who is named as a receiver, in fields for that and in texts."""

from callgate.review.recipients import Recipient, recipients


def test_addresses_hosts_numbers_and_named_fields_are_receivers() -> None:
    found = list(
        recipients(
            {
                "to": ["Bob@Example.com", "#General"],
                "body": "see https://paste.example.net/x?y=1, or call +49 30 123456",
                "account": "DE89370400440532013000",
                "subject": "hello",
            }
        )
    )

    assert found == [
        Recipient("bob@example.com", "example.com", "/to/0"),
        Recipient("#general", "", "/to/1"),
        Recipient("paste.example.net", "paste.example.net", "/body"),
        Recipient("+4930123456", "", "/body"),
        Recipient("DE89370400440532013000", "", "/account"),
    ]


def test_each_is_told_once_and_what_is_no_address_is_none() -> None:
    assert [one.name for one in recipients({"to": "a@b.io", "cc": ["A@b.io"]})] == ["a@b.io"]
    assert not list(recipients({"url": "", "text": "http:// is no address, nor is @home"}))
    assert not list(recipients(None))
