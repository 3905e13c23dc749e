"""Every answer to the opening question means one era, or nothing at all; never a downgrade."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.model import Era, Features
from callgate.protocol.negotiation import (
    Undecided,
    era_of_answer,
    era_over_http,
    read_discovered,
    read_initialized,
)
from callgate.protocol.outbound import Message, WireError, read_message


def result(value: Any) -> Message:
    return read_message(json.dumps({"id": 1, "result": value}).encode())


def error(code: int, data: Any = None) -> Message:
    fault = {"code": code, "message": "no", "data": data}
    return read_message(json.dumps({"id": 1, "error": fault}).encode())


def versions(*names: str) -> Message:
    return result({"supportedVersions": names})


ANSWERS = [
    (versions("2026-07-28"), Era.MODERN),
    (versions("2025-11-25", "2026-07-28", "2031-01-01"), Era.MODERN),
    (versions("2025-11-25"), Era.LEGACY),
    (versions("2024-11-05"), Era.LEGACY),
    (result({}), Era.LEGACY),
    (result({"supportedVersions": "2026-07-28"}), Era.LEGACY),
    (result({"resultType": "task"}), Era.LEGACY),
    (error(-32601), Era.LEGACY),
    (error(-32600), Era.LEGACY),
    (error(-32602), Era.LEGACY),
    (error(-32020), Era.MODERN),
    (error(-32021), Era.MODERN),
    (error(-32022), Era.MODERN),
    (error(-32022, {"supported": ["2026-07-28"]}), Era.MODERN),
    (error(-32022, {"supported": ["2025-06-18"]}), Era.LEGACY),
]


@pytest.mark.parametrize(("answer", "era"), ANSWERS)
def test_a_response_decides_the_era(answer: Message, era: Era) -> None:
    assert era_of_answer(answer) is era
    assert era_over_http(200, answer) is era


@pytest.mark.parametrize("answer", [versions("2031-01-01"), error(-32022, {"supported": ["2031"]})])
def test_a_target_without_a_shared_revision_is_refused(answer: Message) -> None:
    with pytest.raises(WireError, match="2031"):
        era_of_answer(answer)


@pytest.mark.parametrize("status", [400, 404, 405])
def test_statuses_of_older_servers_decide_by_their_body(status: int) -> None:
    assert era_over_http(status, None) is Era.LEGACY
    assert era_over_http(status, error(-32000)) is Era.LEGACY
    assert era_over_http(status, error(-32021)) is Era.MODERN
    assert era_over_http(status, read_message(b'{"error":{"code":"x"}}')) is Era.LEGACY


@pytest.mark.parametrize("status", [200, 202, 301, 401, 403, 407, 408, 429, 500, 502, 503])
def test_an_outage_or_a_refusal_decides_nothing(status: int) -> None:
    with pytest.raises(Undecided, match=str(status)):
        era_over_http(status, None)


def test_features_are_read_from_either_opening() -> None:
    can = {"tools": {"listChanged": True}}
    said = {"supportedVersions": ["2026-07-28"], "capabilities": can, "instructions": "Be kind."}
    assert read_discovered(result(said)) == Features(
        era=Era.MODERN, version="2026-07-28", capabilities=can, instructions="Be kind."
    )
    said = {"protocolVersion": "2025-06-18", "capabilities": can}
    assert read_initialized(result(said)) == Features(
        era=Era.LEGACY, version="2025-06-18", capabilities=can
    )
    odd = {"protocolVersion": "2025-06-18", "capabilities": [1], "instructions": {}}
    assert read_initialized(result(odd)) == Features(era=Era.LEGACY, version="2025-06-18")


def test_a_capability_is_declared_by_being_there_and_an_option_by_being_true() -> None:
    features = Features(capabilities={"logging": {}, "tools": {"listChanged": False}, "odd": 1})
    assert features.has("logging")
    assert features.has("tools")
    assert not features.has("tools", "listChanged")
    assert not features.has("prompts")
    assert not features.has("odd", "listChanged")


def test_an_error_says_nothing_of_features() -> None:
    with pytest.raises(WireError):
        read_discovered(error(-32601))


@pytest.mark.parametrize(
    "answer",
    [result({}), result({"protocolVersion": "2026-07-28"}), result({"protocolVersion": 7}), error(1)],
)  # fmt: skip
def test_a_handshake_without_a_shared_revision_is_refused(answer: Message) -> None:
    with pytest.raises(WireError):
        read_initialized(answer)
