"""The `grpc:` block: where, what is spoken, and when it may be plain text."""

from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.grpc_settings import GrpcSettings


def settings(**more: Any) -> GrpcSettings:
    return GrpcSettings.model_validate({"address": "h:1", "protocol": "ext_mcp", **more})


@pytest.mark.parametrize(
    ("said", "is_local", "is_secure"),
    [
        ({"address": "authz.example.com:9001"}, False, True),
        ({"address": "10.0.0.7:9001"}, False, True),
        ({"address": "127.0.0.1:9001"}, True, False),
        ({"address": "localhost:9001"}, True, False),
        ({"address": "[::1]:9001"}, True, False),
        ({"address": "unix:/run/authz.sock"}, True, False),
        ({"address": "localhost:9001", "tls": True}, True, True),
        ({"address": "localhost:9001", "authority": "ca.pem"}, True, True),
    ],
)
def test_what_leaves_this_machine_is_encrypted(
    said: dict[str, Any], is_local: bool, is_secure: bool
) -> None:
    made = settings(**said)

    assert (made.is_local, made.is_secure) == (is_local, is_secure)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"address": "http://h:1"}, "without a scheme"),
        ({"address": "h"}, "`host:port`"),
        ({"address": "h:99999"}, "`host:port`"),
        ({"address": "unix:"}, "`host:port`"),
        ({"protocol": "ext_proc"}, "ext_authz"),
        ({"tls": False}, "for this machine only"),
        ({"certificate": "a"}, "go together"),
        ({"address": "localhost:1", "tls": False, "authority": "a"}, "need `tls`"),
        ({"metadata": {"Upper": "x"}}, "match pattern"),
        ({"metadata": {"a-bin": "x"}}, "cannot be set"),
        ({"metadata": {"grpc-timeout": "x"}}, "cannot be set"),
        ({"metadata": {"a": "x\ny"}}, "printable ASCII"),
        ({"facts": ["a"], "labels": "a"}, "either facts or labels"),
    ],
)
def test_what_cannot_be_is_turned_down(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**said)


def test_credentials_are_not_shown() -> None:
    assert "s3cret" not in repr(settings(metadata={"authorization": "Bearer s3cret"}))
