import asyncio

import pytest

from callgate.identity.fetching import FetchError, HttpFetch, require_fetchable
from fakes.issuer import running_issuer


def test_a_page_comes_back_with_its_status() -> None:
    async def scenario() -> None:
        fetch = HttpFetch()
        async with running_issuer() as issuer:
            issuer.pages["/page"] = (200, b"text")
            assert await fetch(f"{issuer.url}/page") == (200, b"text")
            assert await fetch(f"{issuer.url}/none") == (404, b"")
        await fetch.close()

    asyncio.run(scenario())


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def scenario() -> None:
        fetch = HttpFetch()
        async with running_issuer() as issuer:
            issuer.pages["/page"] = (302, b"")
            issuer.headers["Location"] = f"{issuer.url}/elsewhere"
            assert await fetch(f"{issuer.url}/page") == (302, b"")
            assert issuer.requests == ["/page"]
        await fetch.close()

    asyncio.run(scenario())


def test_a_server_that_does_not_answer_is_given_up_on() -> None:
    async def scenario() -> None:
        fetch = HttpFetch(timeout_seconds=0.05)
        async with running_issuer() as issuer:
            issuer.may_answer.clear()
            with pytest.raises(FetchError, match=r"did not answer within 0\.05 s"):
                await fetch(f"{issuer.url}/page")
        await fetch.close()

    asyncio.run(scenario())


def test_a_server_that_is_down_is_a_fetch_error() -> None:
    async def scenario() -> None:
        fetch = HttpFetch()
        async with running_issuer() as issuer:
            url = issuer.url
        with pytest.raises(FetchError, match="could not be read"):
            await fetch(url)
        await fetch.close()

    asyncio.run(scenario())


def test_a_server_that_talks_too_much_is_cut_off() -> None:
    async def scenario() -> None:
        fetch = HttpFetch(max_body_bytes=1000)
        async with running_issuer() as issuer:
            issuer.pages["/page"] = (200, b"x" * 1001)
            with pytest.raises(FetchError, match="more than 1000 bytes"):
                await fetch(f"{issuer.url}/page")
        await fetch.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example/keys",
        "http://169.254.169.254/latest",
        "http://localhost.evil.example/",
        "https://user:secret@idp.example/",
        "file:///etc/passwd",
        "idp.example",
        "https://",
        "https://[",
    ],
)
def test_only_https_and_this_machine_are_fetched_from(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        require_fetchable(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://idp.example/keys", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost"]
)
def test_https_anywhere_and_http_on_this_machine_are_fine(url: str) -> None:
    require_fetchable(url)
