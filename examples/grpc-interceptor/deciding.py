"""A gRPC server that decides: `python deciding.py [PORT]`. It speaks ext_authz and ExtMcp.

Servers of Envoy's external authorization that exist need no change. To write one in another
language, compile Envoy's or agentgateway's .proto; here the gateway's own classes save that step.
"""

import asyncio
import json
import sys
from typing import Any

import grpc

from callgate.interceptors.grpc_messages import CHECK, CHECK_RESPONSE, messages

SECRET = ["salaries"]


async def check(body: bytes, _: Any) -> bytes:
    """envoy.service.auth.v3.Authorization/Check: may this request go on?"""
    http = messages()["CheckRequest"].FromString(body).attributes.request.http
    call = json.loads(http.body)["params"]
    kind = messages()["CheckResponse"]
    if call["name"] == "delete" and call["arguments"]["name"] in SECRET:
        said = kind(
            status={"code": 7}, denied_response={"status": {"code": 403}, "body": "Ask the owner."}
        )
    else:
        is_secret = call["arguments"].get("name") in SECRET
        said = kind(
            status={"code": 0},
            ok_response={},
            dynamic_metadata={"sensitivity": 9 if is_secret else 1},
        )
    return bytes(said.SerializeToString())


async def check_response(body: bytes, _: Any) -> bytes:
    """agentgateway.dev.ext_mcp.ExtMcp/CheckResponse: may this result pass, and as what?"""
    asked = messages()["McpResponse"].FromString(body)
    result = json.loads(asked.mcp_response)
    kind = messages()["McpResponseResult"]
    text = json.dumps(result)
    if "9000" not in text:
        return bytes(kind(**{"pass": {}}).SerializeToString())
    changed = json.dumps(json.loads(text.replace("9000", "****").replace("9100", "****")))
    return bytes(kind(mutated=changed.encode()).SerializeToString())


class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # an untyped library
    """Both services."""

    def service(self, details: Any) -> Any:
        """The function of a path."""
        functions = {CHECK: check, CHECK_RESPONSE: check_response}
        function = functions.get(details.method)
        return grpc.unary_unary_rpc_method_handler(function) if function else None


async def main(port: int) -> None:
    """Serves until it is ended."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"listening at 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9091))
