"""The gRPC messages that are spoken here: the part of two public definitions that is needed.

Names are ours; field numbers and types are those of the definitions, which is all that the wire
knows. What is left out is skipped when read, and never written.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from callgate.interceptors.faults import InterceptorError
from callgate.model import Json

# Envoy, api/envoy/service/auth/v3 with what it uses of config/core/v3, type/v3 and google/rpc.
EXT_AUTHZ = """
message CheckRequest {
  Attributes attributes = 1;
}
message Attributes {
  Peer source = 1;
  AttributesRequest request = 4;
  map<string, string> context_extensions = 10;
  Metadata metadata_context = 11;
}
message Peer {
  string service = 2;
  map<string, string> labels = 3;
  string principal = 4;
}
message AttributesRequest {
  Timestamp time = 1;
  HttpRequest http = 2;
}
message HttpRequest {
  string id = 1;
  string method = 2;
  map<string, string> headers = 3;
  string path = 4;
  string host = 5;
  string scheme = 6;
  int64 size = 9;
  string protocol = 10;
  string body = 11;
}
message Metadata {
  map<string, Struct> filter_metadata = 1;
}
message CheckResponse {
  Status status = 1;
  oneof http_response {
    DeniedResponse denied_response = 2;
    OkResponse ok_response = 3;
    DeniedResponse error_response = 5;
  }
  Struct dynamic_metadata = 4;
}
message Status {
  int32 code = 1;
  string message = 2;
}
message DeniedResponse {
  HttpStatus status = 1;
  string body = 3;
}
message HttpStatus {
  int32 code = 1;
}
message OkResponse {
  repeated HeaderOption headers = 2;
  Struct dynamic_metadata = 3;
}
message HeaderOption {
  Header header = 1;
}
message Header {
  string key = 1;
  string value = 2;
  bytes raw_value = 3;
}
"""

# agentgateway, crates/protos/proto/ext_mcp.proto
EXT_MCP = """
message McpRequest {
  repeated string service_names = 1;
  string method = 2;
  Struct metadata_context = 3;
  bytes mcp_request = 4;
  repeated McpHeader headers = 5;
}
message McpResponse {
  repeated string service_names = 1;
  string method = 2;
  Struct metadata_context = 3;
  bytes mcp_response = 4;
}
message McpRequestResult {
  oneof result {
    Pass pass = 1;
    bytes mutated = 2;
    AuthorizationError error = 3;
  }
  HeaderMutation header_mutation = 4;
  Struct metadata = 5;
}
message McpResponseResult {
  oneof result {
    Pass pass = 1;
    bytes mutated = 2;
    AuthorizationError error = 3;
  }
}
message HeaderMutation {
  repeated McpHeader set = 1;
  repeated string remove = 2;
}
message McpHeader {
  string key = 1;
  bytes value = 2;
}
message Pass {
}
message AuthorizationError {
  int32 code = 1;
  string reason = 2;
  bytes mcp_error = 3;
}
"""

# The public names, and so the paths, of the services.
CHECK = "/envoy.service.auth.v3.Authorization/Check"
CHECK_REQUEST = "/agentgateway.dev.ext_mcp.ExtMcp/CheckRequest"
CHECK_RESPONSE = "/agentgateway.dev.ext_mcp.ExtMcp/CheckResponse"

MAX_DEPTH = 32  # of metadata
PACKAGE = "callgate"
_SCALARS = {"string": 9, "bytes": 12, "int32": 5, "int64": 3}  # FieldDescriptorProto.Type
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3
_KNOWN = {name: f".google.protobuf.{name}" for name in ("Struct", "Timestamp")}
_FIELD = re.compile(r"(repeated )?(map<string, (\w+)>|\w+) (\w+) = (\d+);")


def load_module(name: str) -> Any:
    """A module of the extra `grpc`. Raises InterceptorError where that is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InterceptorError("`grpc` needs an extra: pip install 'callgate[grpc]'") from None


@cache
def messages() -> Mapping[str, Any]:
    """Our name of a message → its class. Raises InterceptorError."""
    pools = load_module("google.protobuf.descriptor_pool")
    # A pool of our own: what else speaks these definitions in this process has its own names.
    pool = pools.DescriptorPool()
    file = load_module("google.protobuf.descriptor_pb2").FileDescriptorProto(
        name="callgate.proto", package=PACKAGE, syntax="proto3"
    )
    for module in ("struct_pb2", "timestamp_pb2"):
        known = load_module(f"google.protobuf.{module}").DESCRIPTOR
        pool.AddSerializedFile(known.serialized_pb)
        file.dependency.append(known.name)
    for text in (EXT_AUTHZ, EXT_MCP):
        _declare(file, text)
    pool.AddSerializedFile(file.SerializeToString())
    factory = load_module("google.protobuf.message_factory")
    return {
        message.name: factory.GetMessageClass(
            pool.FindMessageTypeByName(f"{PACKAGE}.{message.name}")
        )
        for message in file.message_type
    }


def _declare(file: Any, text: str) -> None:
    message: Any = None
    choice: int | None = None
    for words in map(str.split, text.strip().splitlines()):
        line = " ".join(words)
        if words[0] == "message":
            message = file.message_type.add(name=words[1])
        elif words[0] == "oneof":
            choice = len(message.oneof_decl)
            message.oneof_decl.add(name=words[1])
        elif words[0] == "}":
            choice = None  # the end of a oneof, or of the message
        else:
            _declare_field(message, line, choice)


def _declare_field(message: Any, line: str, choice: int | None) -> None:
    match = _FIELD.fullmatch(line)
    assert match is not None, line  # noqa: S101 - the texts above
    repeated, kind, of_map, name, number = match.groups()
    if of_map is not None:
        entry = message.nested_type.add(name="".join(map(str.title, name.split("_"))) + "Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, of_map)
        kind, repeated = f"{message.name}.{entry.name}", "repeated"
    field = _add_field(message, name, int(number), kind)
    if repeated:
        field.label = _REPEATED
    if choice is not None:
        field.oneof_index = choice


def _add_field(message: Any, name: str, number: int, kind: str) -> Any:
    scalar = _SCALARS.get(kind)
    field = message.field.add(name=name, number=number, type=scalar or _MESSAGE, label=_OPTIONAL)
    if scalar is None:
        field.type_name = _KNOWN.get(kind, f".{PACKAGE}.{kind}")
    return field


def fill(struct: Any, value: Mapping[str, Json]) -> None:
    """Writes a JSON object into a Struct. Numbers become doubles there."""
    for key, member in value.items():
        _fill_value(struct.fields[key], member)


def _fill_value(target: Any, value: Json) -> None:
    if value is None:
        target.null_value = 0
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        fill(target.struct_value, value)
    else:
        target.list_value.SetInParent()
        for item in value:
            _fill_value(target.list_value.values.add(), item)


def object_of(struct: Any) -> dict[str, Json]:
    """A Struct as JSON. Whole numbers are integers. Raises ValueError where it is too deep."""
    return {key: _value_of(value, MAX_DEPTH) for key, value in struct.fields.items()}


def _value_of(value: Any, depth: int) -> Json:
    if depth == 0:
        raise ValueError(f"metadata is nested deeper than {MAX_DEPTH}")
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        members = value.struct_value.fields.items()
        return {key: _value_of(member, depth - 1) for key, member in members}
    if kind == "list_value":
        return [_value_of(item, depth - 1) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return getattr(value, kind) if kind in ("string_value", "bool_value") else None


def pairs_of(headers: Any) -> Iterator[tuple[str, str]]:
    """Names and values of repeated headers. Raises ValueError where a value is not UTF-8."""
    for header in headers:
        raw = getattr(header, "raw_value", b"") or header.value
        yield header.key, raw if isinstance(raw, str) else raw.decode("utf-8")
