import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from callgate.identity import issuers
from callgate.identity.fetching import HttpFetch
from callgate.identity.issuers import Publication, PublishedKeys, metadata_urls
from callgate.model import Refused
from fakes.clock import FakeClock
from fakes.issuer import OTHER_KEYS, SIGNING_KEYS, FakeIssuer, jwk_set, public_jwk, running_issuer

ALGORITHMS = ("RS256", "ES256")
MAX_AGE = 600.0
GRACE = 3600.0
Scenario = Callable[[FakeIssuer, PublishedKeys, FakeClock], Awaitable[None]]


def run(scenario: Scenario, *, jwks_path: str | None = None) -> None:
    """Runs a scenario against a real issuer on this machine."""

    async def main() -> None:
        clock, fetch = FakeClock(), HttpFetch()
        async with running_issuer() as issuer:
            jwks_url = None if jwks_path is None else issuer.url + jwks_path
            publication = Publication(
                issuer=issuer.url,
                algorithms=ALGORITHMS,
                jwks_url=jwks_url,
                max_age_seconds=MAX_AGE,
                grace_seconds=GRACE,
            )
            keys = PublishedKeys(publication, clock, fetch)
            await scenario(issuer, keys, clock)
            await keys.close()
        await fetch.close()

    asyncio.run(main())


async def refusal(keys: PublishedKeys) -> Refused:
    with pytest.raises(Refused) as caught:
        await keys.find("ES256", "ES256")
    assert caught.value.code == "identity_unavailable"
    return caught.value


async def settled(keys: PublishedKeys) -> None:
    """Waits until the attempt in the background has ended."""
    learning = keys._learning
    assert learning is not None
    await learning


def test_keys_are_discovered_once_and_then_at_hand() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        assert len(await keys.find("ES256", "ES256")) == 1
        assert len(await keys.find("RS256", "RS256")) == 1
        assert issuer.requests == ["/.well-known/openid-configuration", "/keys"]

    run(scenario)


def test_oauth_metadata_is_tried_second() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        page = issuer.pages.pop("/.well-known/openid-configuration")
        issuer.pages["/.well-known/oauth-authorization-server"] = page
        assert await keys.find("ES256", "ES256")

    run(scenario)


def test_a_configured_url_needs_no_discovery() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        assert await keys.find("ES256", "ES256")
        assert issuer.requests == ["/keys"]

    run(scenario, jwks_path="/keys")


def test_many_callers_at_once_cause_one_question() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        found = await asyncio.gather(*(keys.find("ES256", "ES256") for _ in range(50)))
        assert all(found)
        assert issuer.requests.count("/keys") == 1

    run(scenario)


def test_a_caller_that_hangs_up_does_not_stop_the_others() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        issuer.may_answer.clear()
        first = asyncio.ensure_future(keys.find("ES256", "ES256"))
        second = asyncio.ensure_future(keys.find("ES256", "ES256"))
        await issuer.was_asked.wait()
        first.cancel()
        issuer.may_answer.set()
        assert await second
        assert issuer.requests.count("/keys") == 1

    run(scenario)


def test_an_unknown_key_makes_the_issuer_be_asked_again_but_rarely() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        assert await keys.find("ES256", "ES256")
        before = keys.digest
        rotated = public_jwk("ES256", OTHER_KEYS["ES256"], kid="next")
        issuer.publish(jwk_set(rotated))
        assert await keys.find("next", "ES256") == ()  # asked a moment ago
        clock.advance(issuers.SPACING_SECONDS)
        assert len(await keys.find("next", "ES256")) == 1
        assert keys.digest != before
        asked = len(issuer.requests)
        for number in range(100):
            assert await keys.find(f"made-up-{number}", "ES256") == ()
        assert len(issuer.requests) == asked

    run(scenario)


def test_old_keys_are_read_again_without_making_anybody_wait() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        assert await keys.find("ES256", "ES256")
        issuer.publish(jwk_set(public_jwk("RS256", SIGNING_KEYS["RS256"])))
        clock.advance(MAX_AGE)
        issuer.may_answer.clear()
        assert await keys.find("ES256", "ES256")  # answered although the issuer is busy
        issuer.may_answer.set()
        await settled(keys)
        assert await keys.find("ES256", "ES256") == ()  # the withdrawn key is gone

    run(scenario)


def test_keys_known_so_far_bridge_an_outage_for_the_grace_and_no_longer() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        assert await keys.find("ES256", "ES256")
        issuer.pages.clear()
        clock.advance(MAX_AGE + GRACE - 1)
        assert await keys.find("ES256", "ES256")
        await settled(keys)
        clock.advance(1)
        refused = await refusal(keys)
        assert "publishes no metadata" in refused.detail
        issuer.publish()
        clock.advance(issuers.SPACING_SECONDS)
        assert await keys.find("ES256", "ES256")

    run(scenario)


def test_an_issuer_that_is_down_from_the_start_refuses_and_is_asked_again_later() -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        issuer.pages.clear()
        await refusal(keys)
        issuer.publish()
        asked = len(issuer.requests)
        await refusal(keys)  # too soon to ask again
        assert len(issuer.requests) == asked
        clock.advance(issuers.SPACING_SECONDS)
        assert await keys.find("ES256", "ES256")

    run(scenario)


def test_an_issuer_that_is_slow_refuses_within_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers, "WAIT_SECONDS", 0.02)

    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        issuer.may_answer.clear()
        await refusal(keys)
        issuer.may_answer.set()
        await settled(keys)
        assert await keys.find("ES256", "ES256")  # it answered in the end: its answer counts

    run(scenario)


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"issuer": "https://somebody.example"}, "does not name"),
        ({"jwks_uri": None}, "names no jwks_uri"),
        ({"jwks_uri": "http://idp.example/keys"}, "not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "not an https URL"),
    ],
)
def test_an_issuer_whose_metadata_lies_is_not_believed(
    metadata: dict[str, str | None], fault: str
) -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        issuer.publish(None, **metadata)
        assert fault in (await refusal(keys)).detail

    run(scenario)


def test_a_public_issuer_cannot_send_us_to_this_machine() -> None:
    async def scenario() -> None:
        metadata = {"issuer": "https://idp.example", "jwks_uri": "http://127.0.0.1:9/keys"}

        async def fetch(url: str) -> tuple[int, bytes]:
            assert url.startswith("https://idp.example/")
            return 200, json.dumps(metadata).encode()

        publication = Publication(issuer="https://idp.example", algorithms=ALGORITHMS)
        assert (
            "this machine" in (await refusal(PublishedKeys(publication, FakeClock(), fetch))).detail
        )

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "page",
    [(500, jwk_set()), (302, jwk_set()), (200, b"<html>"), (200, b'{"keys":[],"keys":[]}')],
)
def test_garbage_instead_of_keys_leaves_the_known_keys_in_use(page: tuple[int, bytes]) -> None:
    async def scenario(issuer: FakeIssuer, keys: PublishedKeys, clock: FakeClock) -> None:
        assert await keys.find("ES256", "ES256")
        issuer.pages["/keys"] = page
        clock.advance(MAX_AGE)
        assert await keys.find("ES256", "ES256")
        await settled(keys)
        assert await keys.find("ES256", "ES256")

    run(scenario)


def test_metadata_lies_below_the_path_and_before_it() -> None:
    assert metadata_urls("https://idp.example/realms/a/") == (
        "https://idp.example/realms/a/.well-known/openid-configuration",
        "https://idp.example/.well-known/oauth-authorization-server/realms/a",
    )
