"""Tokens: for one principal, for a time, in bounds."""

from typing import Any

import pytest

from callgate.interceptors.redacting.settings import TokenSettings
from callgate.interceptors.redacting.vault import MAX_VALUE_BYTES, Vault
from callgate.model import Json
from fakes.clock import FakeClock


def a_vault(clock: FakeClock | None = None, **settings: Any) -> Vault:
    return Vault(TokenSettings(**settings), clock or FakeClock())


def restored(vault: Vault, principal: str, name: str | None, kind: str = "email") -> Json:
    assert name is not None
    held = vault.restored(principal, kind, name)
    return held.value if held else None


@pytest.mark.parametrize("value", ["a@b.org", 4111111111111111, 1.5, True, {"a": [1]}])
def test_a_token_is_restored_for_its_principal_only(value: Json) -> None:
    vault = a_vault()

    name = vault.token("ada", "email", value)

    assert restored(vault, "ada", name) == value
    assert restored(vault, "bob", name) is None
    assert restored(vault, "ada", name, kind="card") is None


def test_the_same_value_has_the_same_token_for_one_principal() -> None:
    vault = a_vault()

    assert vault.token("ada", "email", "x") == vault.token("ada", "email", "x")
    assert vault.token("ada", "email", "x") != vault.token("bob", "email", "x")
    assert vault.token("ada", "email", 1) != vault.token("ada", "email", True)
    assert len(vault) == 4


def test_a_token_expires_after_it_was_last_given_out() -> None:
    clock = FakeClock()
    vault = a_vault(clock, seconds=60)
    name = vault.token("ada", "email", "x")

    clock.advance(50)
    assert vault.token("ada", "email", "x") == name
    clock.advance(50)
    assert restored(vault, "ada", name) == "x"
    clock.advance(11)

    assert restored(vault, "ada", name) is None
    assert len(vault) == 0 and name is not None and not vault.knows(name)


def test_one_principal_cannot_push_out_the_tokens_of_another() -> None:
    vault = a_vault(most_per_principal=3)
    of_bob = vault.token("bob", "email", "b")

    names = [vault.token("ada", "email", f"a{n}") for n in range(10)]

    assert restored(vault, "bob", of_bob) == "b"
    assert [restored(vault, "ada", name) for name in names[-3:]] == ["a7", "a8", "a9"]
    assert restored(vault, "ada", names[0]) is None
    assert len(vault) == 4


def test_the_oldest_go_where_there_are_too_many() -> None:
    vault = a_vault(most=2)

    names = [vault.token(f"p{n}", "email", "x") for n in range(3)]

    assert [restored(vault, f"p{n}", name) for n, name in enumerate(names)] == [None, "x", "x"]


def test_what_is_too_large_gets_no_token() -> None:
    assert a_vault().token("ada", "email", "x" * MAX_VALUE_BYTES) is None


def test_a_vault_like_another_knows_its_tokens_and_keeps_its_own_bounds() -> None:
    old = a_vault()
    names = [old.token("ada", "email", number) for number in range(5)]

    new = Vault(TokenSettings(most=3), FakeClock(), old)

    assert restored(new, "ada", names[0]) == 0
    late = old.token("ada", "email", "late")  # a call that was on its way
    assert restored(new, "ada", late) == "late"
    new.token("ada", "email", "more")
    assert len(new) == 3
