"""Who called, as it is recorded and read again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from callgate.audit.principals import (
    MAX_KNOWN,
    Recalled,
    describe,
    description_of,
    principal_of,
    recalled,
)
from callgate.audit.record import content_of, indexed
from callgate.policy.entities import facts_of
from callgate.policy.names import Names
from fakes.calls import a_principal
from fakes.store import NOW

CLAIMS = {"sub": "ada", "email": "ada@example.com", "roles": ["a", "b"], "none": None}
TOKEN = {"exp": 1_790_000_600, "iat": 1_790_000_000, "jti": "t1", "nonce": "n"}


def body(principal: Any) -> dict[str, Any]:
    return msgspec.json.decode(describe(principal).body)  # type: ignore[no-any-return]


def test_a_principal_is_described_once_and_referred_to_by_digest() -> None:
    found = describe(a_principal("ada", "ops", claims=CLAIMS, tenant="acme", agent="helper"))
    entry = found.entry(NOW)

    assert found.digest is not None and len(found.digest) == 64
    assert entry.call_id == found.identifier == f"principal:{found.digest}"
    assert entry.code == "principal_described"
    assert indexed(entry.body, entry.payload) == entry
    assert content_of(entry)["claims"] == {k: v for k, v in CLAIMS.items() if v is not None}
    assert msgspec.json.decode(found.body) == {
        "id": "ada",
        "issuer": "https://idp",
        "kind": "jwt",
        "groups": ["ops"],
        "tenant": "acme",
        "agent": "helper",
        "claims_sha256": found.digest,
    }


def test_another_token_of_the_same_bearer_needs_no_other_description() -> None:
    first = a_principal(claims={**CLAIMS, **TOKEN})
    second = a_principal(claims={**CLAIMS, **TOKEN, "jti": "t2", "exp": 1})

    assert describe(first).digest == describe(second).digest
    assert (body(first)["token"]["jti"], body(second)["token"]["jti"]) == ("t1", "t2")


def test_the_order_of_claims_does_not_matter() -> None:
    turned = a_principal(claims=dict(reversed(CLAIMS.items())))

    assert describe(turned).digest == describe(a_principal(claims=CLAIMS)).digest


def test_who_has_no_claims_is_not_described() -> None:
    found = describe(a_principal("ada"))

    assert (found.digest, found.identifier) == (None, None)
    assert not {"claims_sha256", "token"} & body(a_principal("ada")).keys()


def test_a_volatile_claim_that_is_long_is_described() -> None:
    long = a_principal(claims={"nonce": "n" * 300, "jti": {"a": 1}, "exp": 1})

    assert body(long)["token"] == {"exp": 1}
    assert describe(long).claims == {"nonce": "n" * 300, "jti": {"a": 1}}


def test_policy_sees_the_same_principal_when_it_is_read_again() -> None:
    known = a_principal("ada", "ops", "dev", claims={**CLAIMS, **TOKEN}, tenant="t", agent="x")
    found = describe(known)

    again = principal_of({"principal": msgspec.json.decode(found.body)}, content_of(found.entry(1)))

    assert again is not None
    tags = {name: value for name, value in known.claims.items() if value is not None}
    assert again == replace(known, claims=again.claims)
    assert again.claims == tags
    entities = [
        sorted(msgspec.json.decode(facts_of(one, Names()).entities)[0]["tags"].items())
        for one in (known, again)
    ]
    assert entities[0] == entities[1]


def test_nobody_is_read_as_nobody() -> None:
    assert principal_of({"principal": None}, None) is None


def test_half_a_character_in_a_claim_is_described_too() -> None:
    found = describe(a_principal(claims={"name": "a\ud800"}))
    entry = found.entry(NOW)

    assert indexed(entry.body, entry.payload) == entry


def test_the_memory_of_descriptions_is_bounded() -> None:
    many = [a_principal(str(number), claims={"n": number}) for number in range(MAX_KNOWN + 10)]

    assert len({describe(one).digest for one in many}) == len(many)


def test_who_called_is_recalled_with_the_reason_where_claims_are_not_known() -> None:
    principal = a_principal("ada", claims={"role": "lead"})
    said: dict[str, Any] = {"format": 2, "principal": body(principal)}
    of = description_of(said["principal"])

    assert of == describe(principal).identifier
    assert description_of(body(a_principal())) is None
    assert recalled(said, {"claims": {"role": "lead"}}) == Recalled(principal=principal)
    for described, why in (
        (None, "its claims are not in the record"),
        ({"erased": True}, "its claims were erased"),
        ({"payload_omitted": 9}, "its claims lie outside the record and cannot be read here"),
    ):
        assert recalled(said, described) == Recalled(principal=a_principal("ada"), lacks=why)
    assert recalled({"format": 2, "principal": None}, None) is None


def test_of_the_first_format_only_of_anonymous_callers_the_claims_are_known() -> None:
    anonymous = a_principal("visitor", kind="anonymous")

    assert recalled({"principal": body(a_principal())}, None) == Recalled(
        principal=a_principal(), lacks="its claims were not recorded"
    )
    assert recalled({"principal": body(anonymous)}, None) == Recalled(principal=anonymous)
