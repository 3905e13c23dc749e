from typing import Any

import pytest
from pydantic import ValidationError

from callgate.authoring.settings import DraftingSettings


def settings(**more: Any) -> DraftingSettings:
    return DraftingSettings(**{"url": "https://llm.example/v1", "model": "m", **more})


def test_the_url_is_the_base_of_the_api_however_it_is_written() -> None:
    for written in ("https://h/v1", "https://h/v1/", "https://h/v1/chat/completions"):
        assert settings(url=written).url == "https://h/v1"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://h/v1", "must be an http or https URL"),
        ("https:///v1", "with a host"),
        ("https://h/v1?key=x", "must end with its path"),
        ("https://h/v1#x", "must end with its path"),
        ("https://a:b@h/v1", "put the key into `api_key`"),
        ("https://h/a b", "without spaces"),
        ("https://h:99999/v1", "[Pp]ort"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        settings(url=url)


def test_a_key_is_never_sent_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="in the clear"):
        settings(url="http://llm.example/v1", api_key="k")
    assert settings(url="http://llm.example/v1").api_key is None
    assert settings(url="http://127.0.0.1:11434/v1", api_key="k").api_key is not None
    assert settings(url="http://localhost:11434/v1", api_key="k").api_key is not None


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "é"])
def test_a_key_cannot_become_another_header(key: str) -> None:
    with pytest.raises(ValidationError, match="printable ASCII"):
        settings(api_key=key)


def test_a_key_is_not_shown() -> None:
    assert "s3cret" not in repr(settings(api_key="s3cret"))


@pytest.mark.parametrize(
    "wrong", [{"model": ""}, {"model": "a\nb"}, {"timeout_seconds": 0}, {"max_attempts": 0}]
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)
