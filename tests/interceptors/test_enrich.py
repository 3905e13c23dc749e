"""Facts decide: of claims, tables, networks, hours and other systems, typed and fail-closed."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.enrich import Enrich, EnrichSettings
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Outcome, Principal
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.pipeline import govern
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.answering import answering
from fakes.calls import a_call, a_principal
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.target import FakeAuthenticator, FakeCaller

MONDAY_NOON = 1_790_000_000.0 + 0  # the fake clock: 2026-09-21T14:13:20Z, a Monday


async def acall(
    settings: dict[str, Any],
    types: dict[str, str],
    condition: str,
    *,
    principal: Principal | None = None,
    headers: dict[str, str] | None = None,
    may_fail: bool = False,
) -> Outcome:
    """One call that policy permits where the condition on `about` holds."""
    interceptor = Enrich(EnrichSettings.model_validate(settings), FakeClock(MONDAY_NOON))
    attachment = Attachment(
        name="about",
        interceptor=interceptor,
        phases=frozenset({"request"}),
        facts=types,
        may_fail=may_fail,
        headers=frozenset(headers or {}),
    )
    text = f"permit(principal, action, resource) when {{ {condition} }};".replace(
        "about.", "context.enriched.about."
    ).replace("about has", "context.enriched.about has")
    who = principal or a_principal("ada", "leads", claims={"org": {"level": 3, "roles": ["x"]}})
    gateway = a_gateway(
        chain=(attachment,),
        authenticator=FakeAuthenticator(anonymous=who),
        engine=Engine(read_policies([("p", text)]), Names(), {"about": types}),
    )
    call = a_call(arguments={"customer": "C-1", "amount": 5}, headers=headers or {})
    try:
        return await govern(call, gateway, FakeCaller())
    finally:
        await interceptor.close()


def code(*arguments: Any, **more: Any) -> str | None:
    return asyncio.run(acall(*arguments, **more)).refusal_code


def test_claims_are_facts_with_their_types() -> None:
    settings = {"claims": {"level": "org.level", "roles": "org.roles", "none": "org.none"}}
    types = {"level": "integer", "roles": "strings", "none": "string"}

    right = 'about has level && about.level > 2 && about has roles && about.roles.contains("x")'

    assert code(settings, types, f"{right} && !(about has none)") is None
    assert code(settings, types, "about has level && about.level > 3") == "not_permitted"
    assert code(settings, {**types, "level": "string"}, "true") == "interceptor_failed"


def test_tables_name_facts_by_groups_and_arguments_and_the_first_fact_counts() -> None:
    settings = {
        "maps": [
            {"by": "argument:$.customer", "facts": {"C-1": {"tier": "gold"}}},
            {"by": "principal.groups", "facts": {"leads": {"limit": 500, "tier": "lead"}}},
        ]
    }
    types = {"tier": "string", "limit": "integer"}

    condition = 'about has tier && about.tier == "gold" && about has limit && about.limit == 500'

    assert code(settings, types, condition) is None


def test_networks_tell_countries() -> None:
    settings = {
        "networks": [
            {
                "fact": "country",
                "address": "header:x-forwarded-for",
                "networks": {"203.0.113.0/24": "DE"},
                "otherwise": "elsewhere",
            }
        ]
    }
    types = {"country": "string"}
    german = 'about has country && about.country == "DE"'

    def at(address: str) -> str | None:
        return code(settings, types, german, headers={"x-forwarded-for": address})

    assert at("203.0.113.5") is None
    assert at("203.0.113.5, 198.51.100.1") == "not_permitted"  # the nearest proxy's word counts
    assert code(settings, types, german) == "not_permitted"


def test_working_hours_hold_or_not() -> None:
    hours = {"fact": "at_work", "timezone": "UTC", "from": "09:00", "to": "15:00"}
    types = {"at_work": "boolean"}
    condition = "about has at_work && about.at_work"

    assert code({"hours": [hours]}, types, condition) is None
    assert code({"hours": [{**hours, "days": ["tue"]}]}, types, condition) == "not_permitted"


def test_points_add_up_to_a_risk() -> None:
    settings = {
        "maps": [
            {"by": "principal.groups", "facts": {"leads": {"by_group": 10}}},
            {"by": "argument:$.customer", "facts": {"C-1": {"by_customer": 25}}},
            {"by": "principal.tenant", "facts": {"acme": {"by_tenant": 100}}},
        ],
        "sums": {"risk": ["by_group", "by_customer", "by_tenant"]},
    }

    assert code(settings, {"risk": "integer"}, "about has risk && about.risk == 35") is None


def test_another_system_decides_with_facts_of_every_type() -> None:
    body = b'{"s":"x","n":3,"d":1.25,"b":true,"l":["a"],"t":"2026-01-02T03:04:05Z","i":"10.0.0.7"}'
    types = {
        "s": "string",
        "n": "integer",
        "d": "decimal",
        "b": "boolean",
        "l": "strings",
        "t": "datetime",
        "i": "ip",
    }
    condition = " && ".join(
        [
            *(f"about has {fact}" for fact in types),
            'about.s == "x" && about.n == 3 && about.d.lessThan(decimal("1.3")) && about.b',
            'about.l.contains("a") && about.t < datetime("2026-02-01")',
            'about.i.isInRange(ip("10.0.0.0/8"))',
        ]
    )

    async def answer(_: str) -> tuple[int, bytes]:
        return 200, body

    async def whole() -> tuple[str | None, list[str]]:
        async with answering(answer) as server:
            facts = {fact: f"/{fact}" for fact in types}
            url = f"{server.url}/{{principal.id}}?c={{argument:$.customer}}"
            outcome = await acall({"lookups": [{"url": url, "facts": facts}]}, types, condition)
            return outcome.refusal_code, server.paths

    assert asyncio.run(whole()) == (None, ["/ada?c=C-1"])


@pytest.mark.parametrize(
    ("status", "body", "refused", "allowed"),
    [
        (500, b"", "interceptor_failed", None),
        (200, b"no json", "interceptor_failed", None),
        (200, b'{"n":"3"}', "interceptor_failed", None),  # it lies about the type
        (200, b'{"n":1e30}', "interceptor_failed", None),
        (404, b"", None, None),
    ],
)
def test_a_system_that_fails_or_lies_refuses_unless_it_may_fail(
    status: int, body: bytes, refused: str | None, allowed: str | None
) -> None:
    async def answer(_: str) -> tuple[int, bytes]:
        return status, body

    async def whole(may_fail: bool) -> str | None:
        async with answering(answer) as server:
            settings = {"lookups": [{"url": server.url, "facts": {"n": "/n"}}]}
            unknown = "!(about has n)"
            outcome = await acall(settings, {"n": "integer"}, unknown, may_fail=may_fail)
            return outcome.refusal_code

    assert (asyncio.run(whole(False)), asyncio.run(whole(True))) == (refused, allowed)


def test_several_systems_are_asked_at_once() -> None:
    both = asyncio.Barrier(2)

    async def answer(_: str) -> tuple[int, bytes]:
        await asyncio.wait_for(both.wait(), 30)
        return 200, b'{"n":1}'

    async def whole() -> str | None:
        async with answering(answer) as server:
            lookups = [
                {"url": f"{server.url}/{fact}", "facts": {fact: "/n"}} for fact in ("a", "b")
            ]
            types = {"a": "integer", "b": "integer"}
            condition = "about has a && about has b && about.a == about.b"
            return (await acall({"lookups": lookups}, types, condition)).refusal_code

    assert asyncio.run(whole()) is None


def declared(**more: Any) -> InterceptorSettings:
    return InterceptorSettings.model_validate({"name": "about", **more})


def test_every_fact_is_typed_and_every_header_is_seen() -> None:
    claims = {"claims": {"level": "org.level"}}
    by_header = {"maps": [{"by": "header:x-a", "facts": {"1": {"level": 1}}}]}

    assert declared(enrich=claims, enriches={"level": "integer"}).kind == "enrich"
    with pytest.raises(ValidationError, match="name the type of the fact level"):
        declared(enrich=claims)
    with pytest.raises(ValidationError, match="`headers`: name x-a there"):
        declared(enrich=by_header, enriches={"level": "integer"})
    assert declared(enrich=by_header, enriches={"level": "integer"}, headers=["x-a"])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "name at least one of"),
        ({"claims": {"a": "a"}, "sums": {"r": ["b"]}}, "b is no fact"),
        ({"claims": {"a": "a"}, "sums": {"a": ["a"]}}, "a fact of its own"),
        ({"maps": [{"by": "customer", "facts": {}}]}, "names nothing"),
        ({"claims": {"a-b": "a"}}, "pattern"),
    ],
)
def test_settings_that_cannot_work_say_why(settings: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EnrichSettings.model_validate(settings)


def test_a_sum_of_what_is_no_integer_is_a_failure() -> None:
    settings = {"claims": {"a": "org.roles"}, "sums": {"risk": ["a"]}}

    assert code(settings, {"risk": "integer"}, "true") == "interceptor_failed"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"enrich": {"claims": {"a": "a"}}, "enriches": {"a": "string"}, "on": ["result"]},
            "requests",
        ),
        ({"injection": {}}, "results"),
        ({"exfiltration": {"sources": ["a"], "sinks": [{"tools": ["b"]}]}}, "results"),
    ],
)
def test_one_that_would_see_nothing_says_so(settings: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=f"must see {problem}, too"):
        declared(**settings)
