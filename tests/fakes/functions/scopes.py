"""Scope-based access with a REQUEST and a RESPONSE interceptor (scenarios 21 and 22).

The claims of the bearer token say which tools may be called: `<target>` or `<target>:<tool>` in
`scope`. What may not is answered at once; lists hold what may be called. The token is not verified
here: the gateway has done that.
"""

import base64
import json
import os
from typing import Any


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    mcp = event["mcp"]
    if mcp.get("gatewayResponse") is not None:
        return _response(mcp)
    return _request(mcp)


def _request(mcp: dict[str, Any]) -> dict[str, Any]:
    request = mcp["gatewayRequest"]
    body = request["body"]
    passing = {"headers": request["headers"], "body": body}
    if body["method"] != "tools/call":
        return _out(transformedGatewayRequest=passing)
    name = body["params"]["name"]
    if _may_call(name, _scopes(request["headers"])):
        return _out(transformedGatewayRequest=passing)
    error = {"code": -32000, "message": f"Insufficient permission: {name}"}
    return _out(
        transformedGatewayResponse={
            "statusCode": 403,
            "headers": {"Content-Type": "application/json"},
            "body": {"jsonrpc": "2.0", "id": body["id"], "error": error},
        }
    )


def _response(mcp: dict[str, Any]) -> dict[str, Any]:
    response = mcp["gatewayResponse"]
    body = response["body"]
    tools = body.get("result", {}).get("tools")
    if tools is not None:
        scopes = _scopes(mcp["gatewayRequest"]["headers"])
        kept = [tool for tool in tools if _may_call(tool["name"], scopes)]
        body = {**body, "result": {**body["result"], "tools": kept}}
    return _out(transformedGatewayResponse={"statusCode": response["statusCode"], "body": body})


def _scopes(headers: dict[str, str]) -> list[str]:
    token = headers.get("authorization", "").removeprefix("Bearer ")
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    store = os.environ.get("PERMISSIONS_FILE")
    if store is not None:  # scenario 22: permissions are kept elsewhere, under the client's id
        with open(store, encoding="utf-8") as file:
            return list(json.load(file).get(claims["client_id"], []))
    return str(claims.get("scope", "")).split()


def _may_call(name: str, scopes: list[str]) -> bool:
    target, _, tool = name.partition("___")
    return target in scopes or f"{target}:{tool}" in scopes


def _out(**mcp: Any) -> dict[str, Any]:
    return {"interceptorOutputVersion": "1.0", "mcp": mcp}
