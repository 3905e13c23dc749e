from typing import Any

import pytest

from callgate.identity.claims import ClaimRules, check_claims, principal_of
from callgate.model import Principal, Refused, read_claim

NOW = 1_790_000_000.0
GOOD: dict[str, Any] = {"iss": "https://idp", "sub": "alice", "aud": "callgate", "exp": NOW + 60}


def rules(**changes: Any) -> ClaimRules:
    values: dict[str, Any] = {
        "issuer": "https://idp",
        "audience": ("callgate", "https://gate"),
        "allowed_clients": (),
        "required_scopes": frozenset(),
        "clock_skew_seconds": 30.0,
        "groups_claim": "groups",
        "tenant_claim": None,
        "agent_claims": ("act.sub", "azp", "client_id"),
        "id_prefix": "",
        **changes,
    }
    return ClaimRules(**values)


def refusal(claims: dict[str, Any], **changes: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        check_claims(claims, rules(**changes), NOW)
        principal_of(claims, rules(**changes))
    assert caught.value.code == "unauthenticated"
    return caught.value


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def test_good_claims_expire_when_they_say_plus_the_clock_skew() -> None:
    assert check_claims(GOOD, rules(), NOW) == NOW + 90


@pytest.mark.parametrize(
    "audience", ["callgate", "https://gate", ["x", "callgate"], [1, "callgate"]]
)
def test_one_of_the_audiences_is_enough(audience: Any) -> None:
    check_claims({**GOOD, "aud": audience}, rules(), NOW)


@pytest.mark.parametrize(
    "audience", ["other", "", [], ["other"], {"callgate": 1}, 7, None, "callgat"]
)
def test_a_token_for_somebody_else_is_refused_naming_what_was_expected(audience: Any) -> None:
    refused = refusal({**GOOD, "aud": audience})
    assert refused.detail == "wrong audience: expected callgate or https://gate"


COGNITO = {key: value for key, value in GOOD.items() if key != "aud"} | {"client_id": "3n4b5"}


def test_a_token_without_an_audience_is_taken_from_an_allowed_client() -> None:
    only_clients = rules(audience=(), allowed_clients=("other", "3n4b5"))

    assert check_claims(COGNITO, only_clients, NOW) == NOW + 90
    by_azp = {**COGNITO, "azp": "3n4b5"}
    del by_azp["client_id"]
    assert check_claims(by_azp, only_clients, NOW) == NOW + 90


@pytest.mark.parametrize(
    "client",
    [{"client_id": "else"}, {"client_id": None}, {"client_id": ["3n4b5"]}, {"client_id": ""},
     {"client_id": "else", "azp": "3n4b5"}],
)  # fmt: skip
def test_another_client_is_refused_naming_what_was_expected(client: dict[str, Any]) -> None:
    refused = refusal({**COGNITO, **client}, audience=(), allowed_clients=("3n4b5",))
    assert refused.detail == "wrong client: expected 3n4b5 (client_id or azp)"


def test_a_token_without_any_client_is_refused() -> None:
    nobody = {key: value for key, value in COGNITO.items() if key != "client_id"}
    assert "wrong client" in refusal(nobody, audience=(), allowed_clients=("3n4b5",)).detail


@pytest.mark.parametrize("audience", ["3n4b5", "callgate", [], "", ["x"]])
def test_where_no_audience_is_expected_a_token_that_names_one_is_for_others(audience: Any) -> None:
    refused = refusal({**COGNITO, "aud": audience}, audience=(), allowed_clients=("3n4b5",))
    assert refused.detail.startswith("wrong audience: expected none")


def test_where_both_are_named_a_token_needs_both() -> None:
    both = {"audience": ("callgate",), "allowed_clients": ("3n4b5",)}

    check_claims({**COGNITO, "aud": "callgate"}, rules(**both), NOW)
    assert "wrong audience" in refusal(COGNITO, **both).detail
    assert "wrong client" in refusal({**GOOD, "client_id": "else"}, **both).detail


@pytest.mark.parametrize("issuer", ["https://idp/", "https://IDP", "", None, ["https://idp"]])
def test_another_issuer_is_refused(issuer: Any) -> None:
    assert refusal({**GOOD, "iss": issuer}).detail == "wrong issuer: expected https://idp"


@pytest.mark.parametrize(
    ("seconds_ago", "is_accepted"), [(-1, True), (29, True), (30, False), (3600, False)]
)
def test_expiry_is_checked_with_the_clock_skew(seconds_ago: float, is_accepted: bool) -> None:
    claims = {**GOOD, "exp": NOW - seconds_ago}
    if is_accepted:
        check_claims(claims, rules(), NOW)
    else:
        refused = refusal(claims)
        assert refused.reason == "The token has expired."
        assert refused.detail == f"expired {seconds_ago} s ago"


@pytest.mark.parametrize(("seconds_ahead", "is_accepted"), [(0, True), (30, True), (31, False)])
def test_not_before_is_checked_with_the_clock_skew(seconds_ahead: int, is_accepted: bool) -> None:
    claims = {**GOOD, "nbf": NOW + seconds_ahead}
    if is_accepted:
        check_claims(claims, rules(), NOW)
    else:
        assert refusal(claims).detail == "valid only in 31 s (nbf)"


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp"])
def test_required_claims_are_required(name: str) -> None:
    refusal(without(name))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1790000060", True, [], float("inf"), float("nan")])
def test_instants_are_numbers(name: str, value: Any) -> None:
    refusal({**GOOD, name: value})


@pytest.mark.parametrize(
    "claims", [{"scope": "read call"}, {"scp": ["call", "read"]}, {"scope": "read", "scp": "call"}]
)
def test_scopes_are_read_from_where_issuers_write_them(claims: dict[str, Any]) -> None:
    check_claims({**GOOD, **claims}, rules(required_scopes=frozenset({"read", "call"})), NOW)


@pytest.mark.parametrize("claims", [{}, {"scope": "reader"}, {"scope": 5}, {"scp": [["read"]]}])
def test_a_missing_scope_is_named(claims: dict[str, Any]) -> None:
    refused = refusal({**GOOD, **claims}, required_scopes=frozenset({"read"}))
    assert refused.reason == "The token lacks the scope read."
    assert refused.data == {"missing_scopes": ["read"]}


def test_claims_become_a_principal() -> None:
    claims = {**GOOD, "groups": ["ops", "dev", "ops"], "org": {"id": "acme"}, "azp": "cli"}
    assert principal_of(claims, rules(tenant_claim="org.id", id_prefix="idp:")) == Principal(
        id="idp:alice",
        issuer="https://idp",
        kind="jwt",
        claims=claims,
        groups=("ops", "dev"),
        tenant="acme",
        agent="cli",
    )


@pytest.mark.parametrize(
    ("claims", "agent"),
    [
        ({}, None),
        ({"client_id": "c"}, "c"),
        ({"client_id": "c", "azp": "a"}, "a"),
        (
            {"client_id": "c", "azp": "a", "act": {"sub": "agent", "act": {"sub": "before"}}},
            "agent",
        ),
    ],
)
def test_the_agent_is_the_actor_else_the_client(claims: dict[str, Any], agent: str | None) -> None:
    assert principal_of({**GOOD, **claims}, rules()).agent == agent


def test_a_string_of_groups_is_one_group() -> None:
    assert principal_of({**GOOD, "groups": "Domain Admins"}, rules()).groups == ("Domain Admins",)


@pytest.mark.parametrize("groups", [7, {"ops": True}, ["ops", 1], ["ops", ""], "", ["a\x1fb"]])
def test_groups_that_cannot_be_read_refuse_the_token(groups: Any) -> None:
    assert refusal({**GOOD, "groups": groups}).detail.startswith("groups is not a string or")


def test_groups_that_the_issuer_left_out_refuse_the_token() -> None:
    refused = refusal({**GOOD, "_claim_names": {"groups": "src1"}})
    assert "left groups out" in refused.detail


@pytest.mark.parametrize("tenant", [None, "", 5, "a\x1fb"])
def test_a_token_without_its_tenant_is_refused(tenant: Any) -> None:
    refusal({**GOOD, "org": tenant}, tenant_claim="org")


@pytest.mark.parametrize("subject", ["", 5, "a\x1fb", "a\n", ["alice"]])
def test_a_subject_that_could_pass_for_another_is_refused(subject: Any) -> None:
    refusal({**GOOD, "sub": subject})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("https://a.example/roles", 1),
        ("realm_access.roles", 2),
        ("realm_access.none", None),
        ("groups.x", None),
    ],
)
def test_a_claim_is_found_by_its_name_or_its_path(name: str, value: Any) -> None:
    claims = {"https://a.example/roles": 1, "realm_access": {"roles": 2}, "groups": ["x"]}
    assert read_claim(claims, name) == value
