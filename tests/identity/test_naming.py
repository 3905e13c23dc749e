import pytest

from callgate.identity.naming import MAX_NAME_CHARACTERS, is_plain


@pytest.mark.parametrize(
    "text", ["alice", "Domain Admins", "Zoë", "arn:aws:sts::1:role/x", "a" * 512]
)
def test_ordinary_names_may_name_somebody(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text", ["", "a\x1fb", "a\nb", "a\0", "a\u202eb", "a\u200bb", "a" * (MAX_NAME_CHARACTERS + 1)]
)
def test_empty_endless_and_invisible_names_may_not(text: str) -> None:
    assert not is_plain(text)
