import pytest

from callgate.identity.bearer import MAX_TOKEN_BYTES, bearer_token
from callgate.model import Proof, Refused


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_the_scheme_is_read_in_any_case(header: str) -> None:
    assert bearer_token(Proof(authorization=header)) == "abc"


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearerabc", "DPoP abc"])
def test_other_schemes_hold_no_bearer_token(header: str | None) -> None:
    assert bearer_token(Proof(authorization=header)) is None


def test_an_oversized_token_is_refused_unread() -> None:
    with pytest.raises(Refused) as caught:
        bearer_token(Proof(authorization="Bearer " + "x" * (MAX_TOKEN_BYTES + 1)))
    assert caught.value.code == "unauthenticated"
    assert "xxx" not in caught.value.detail
