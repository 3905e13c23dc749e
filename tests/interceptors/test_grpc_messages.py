"""The messages on the wire: numbers and types as the public definitions have them."""

import importlib
from typing import Any

import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.grpc_messages import (
    fill,
    load_module,
    messages,
    object_of,
    pairs_of,
)


def wire(number: int, value: bytes | int) -> bytes:
    """One field as protobuf writes it: small numbers and short texts only."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def test_a_denial_of_ext_authz_is_read_from_its_bytes() -> None:
    denied = wire(1, wire(1, 77)) + wire(3, b"not you")
    body = wire(1, wire(1, 7) + wire(2, b"denied")) + wire(2, denied)

    read = messages()["CheckResponse"].FromString(body)

    assert (read.status.code, read.status.message) == (7, "denied")
    assert read.WhichOneof("http_response") == "denied_response"
    assert (read.denied_response.status.code, read.denied_response.body) == (77, "not you")


def test_a_permit_of_ext_authz_is_read_with_its_headers_and_what_is_not_known_is_skipped() -> None:
    option = wire(1, wire(1, b"x-a") + wire(2, b"b")) + wire(3, 2) + wire(4, 1)
    raw = wire(1, wire(1, b"x-c") + wire(3, b"d"))
    ok = wire(2, option) + wire(2, raw) + wire(5, b"x-gone") + wire(6, option) + wire(7, b"")
    body = wire(1, b"") + wire(3, ok)

    read = messages()["CheckResponse"].FromString(body)

    assert read.HasField("status")
    headers = [one.header for one in read.ok_response.headers]
    assert list(pairs_of(headers)) == [("x-a", "b"), ("x-c", "d")]


def test_a_question_of_ext_authz_is_written_with_the_numbers_of_envoy() -> None:
    question = messages()["CheckRequest"]()
    http = question.attributes.request.http
    http.id, http.method, http.path, http.host = "i", "POST", "/p", "h"
    http.scheme, http.size, http.protocol, http.body = "http", 3, "HTTP/1.1", "{}!"
    http.headers["a"] = "b"
    question.attributes.request.time.seconds = 5
    question.attributes.source.principal = "ada"
    question.attributes.source.service = "s"
    question.attributes.source.labels["l"] = "m"
    question.attributes.context_extensions["t"] = "u"
    question.attributes.metadata_context.filter_metadata["f"].fields["k"].bool_value = True

    pair = wire(1, b"a") + wire(2, b"b")
    expected_http = (
        wire(1, b"i")
        + wire(2, b"POST")
        + wire(3, pair)
        + wire(4, b"/p")
        + wire(5, b"h")
        + wire(6, b"http")
        + wire(9, 3)
        + wire(10, b"HTTP/1.1")
        + wire(11, b"{}!")
    )
    source = wire(2, b"s") + wire(3, wire(1, b"l") + wire(2, b"m")) + wire(4, b"ada")
    member = wire(1, b"k") + wire(2, wire(4, 1))  # google.protobuf.Value.bool_value
    metadata = wire(1, wire(1, b"f") + wire(2, wire(1, member)))
    attributes = (
        wire(1, source)
        + wire(4, wire(1, wire(1, 5)) + wire(2, expected_http))
        + wire(10, wire(1, b"t") + wire(2, b"u"))
        + wire(11, metadata)
    )
    assert question.SerializeToString(deterministic=True) == wire(1, attributes)


def test_ext_mcp_is_written_and_read_with_its_numbers() -> None:
    request = messages()["McpRequest"](
        service_names=["a"], method="m", mcp_request=b"{}", headers=[{"key": "k", "value": b"v"}]
    )
    response = messages()["McpResponse"](service_names=["a"], method="m", mcp_response=b"{}")
    begin = wire(1, b"a") + wire(2, b"m")

    assert request.SerializeToString() == (
        begin + wire(4, b"{}") + wire(5, wire(1, b"k") + wire(2, b"v"))
    )
    assert response.SerializeToString() == begin + wire(4, b"{}")

    results = messages()["McpRequestResult"]
    assert results.FromString(wire(1, b"")).WhichOneof("result") == "pass"
    assert results.FromString(wire(2, b"x")).mutated == b"x"
    error = results.FromString(wire(3, wire(1, 1) + wire(2, b"no") + wire(3, b"{}"))).error
    assert (error.code, error.reason, error.mcp_error) == (1, "no", b"{}")
    mutation = wire(1, wire(1, b"k") + wire(2, b"v")) + wire(2, b"gone")
    headers = results.FromString(wire(4, mutation)).header_mutation
    assert list(pairs_of(headers.set)) == [("k", "v")] and list(headers.remove) == ["gone"]
    assert messages()["McpResponseResult"].FromString(wire(2, b"y")).mutated == b"y"


def test_the_status_is_that_of_googles_own_library() -> None:
    body = status_pb2.Status(code=16, message="who").SerializeToString()

    read = messages()["Status"].FromString(body)
    assert (read.code, read.message) == (16, "who")


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer())
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=8
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), VALUES))
def test_json_comes_back_from_a_struct_as_it_went_in(value: dict[str, Any]) -> None:
    told = messages()["McpRequestResult"]()
    fill(told.metadata, value)
    read = messages()["McpRequestResult"].FromString(told.SerializeToString())

    assert object_of(read.metadata) == value


def test_metadata_that_is_too_deep_is_turned_down() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    told = messages()["McpRequestResult"]()
    fill(told.metadata, {"a": deep})

    with pytest.raises(ValueError, match="deeper than 32"):
        object_of(told.metadata)


def test_a_header_that_is_not_utf_8_is_turned_down() -> None:
    header = messages()["McpHeader"](key="k", value=b"\xff")

    with pytest.raises(ValueError, match="utf-8"):
        list(pairs_of([header]))


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InterceptorError, match=r"pip install 'callgate\[grpc\]'"):
        load_module("grpc.aio")
