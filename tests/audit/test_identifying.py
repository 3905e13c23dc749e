"""Short things that identify are told from words, dates and digests."""

from callgate.audit.identifying import keys, squeezed, tokens


def test_only_letters_and_digits_count() -> None:
    assert squeezed("a-b_c d.e\n7") == b"abcde7"
    assert squeezed("gr\u00fc\u00dfe, \u4f60\u597d!") == "gr\u00fc\u00dfe\u4f60\u597d".encode()


def test_tokens_are_addresses_numbers_and_ids_of_their_own() -> None:
    text = (
        "call +49 30 123456, order a-10293 on 2026-11-29 at 12:30:00, version 1.10.20, "
        "for 100000 of a@b.io from 10.2.33.44, key ab12cd"
    )

    assert tokens(text) == {b"4930123456", b"123456", b"a10293", b"@a@b.io", b"1023344", b"ab12cd"}


def test_keys_are_long_and_mixed_and_no_digests() -> None:
    assert len(keys("key=9fk2mq7xtz4lbw8vnc3rpy6d and akiaq7mz2xn5wb8rt4kj")) == 2
    assert keys("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08") == set()
    assert (
        keys("f47ac10b-58cc-4372-a567-0e02b2c3d479 internationalization2026 1234567890123456")
        == set()
    )
    assert not keys("9fk2mq7xtz4lbw8vnc3rpy6d") & keys("9fk2mq7xtz4lbw8vnc3rpy6e")
