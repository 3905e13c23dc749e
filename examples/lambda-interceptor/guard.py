"""An interceptor function for AgentCore's gateway, REQUEST and RESPONSE: nothing in it is ours.

Scopes of the caller's token say which tools may be used (`crm:find`); text that looks like SQL does
not pass; e-mail addresses are masked on their way back.
"""

import base64
import json
import re
from typing import Any

SQL = re.compile(r"('|\")\s*(or|union|;)|;\s*(drop|delete|update|insert)\b|--", re.IGNORECASE)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Called before and after each call."""
    mcp = event["mcp"]
    scopes = scopes_of(mcp["gatewayRequest"]["headers"])
    if mcp.get("gatewayResponse"):
        return on_response(mcp["gatewayResponse"], scopes)
    return on_request(mcp["gatewayRequest"]["body"], scopes)


def on_request(body: dict[str, Any], scopes: set[str]) -> dict[str, Any]:
    """Passes a request on, or answers it at once."""
    if body["method"] == "tools/call":
        params = body["params"]
        if not may_use(params["name"], scopes):
            return refusal(body, f"The token has no scope for {params['name']}.")
        if any(isinstance(v, str) and SQL.search(v) for v in params.get("arguments", {}).values()):
            return refusal(body, "SQL_INJECTION_DETECTED")
    return out(transformedGatewayRequest={"body": body})


def on_response(response: dict[str, Any], scopes: set[str]) -> dict[str, Any]:
    """Filters lists, masks everything else."""
    body = response["body"]
    result = body.get("result", {})
    if "tools" in result:
        tools = [tool for tool in result["tools"] if may_use(tool["name"], scopes)]
        body = {**body, "result": {**result, "tools": tools}}
    else:
        body = json.loads(EMAIL.sub("[e-mail]", json.dumps(body)))
    return out(transformedGatewayResponse={"statusCode": response["statusCode"], "body": body})


def scopes_of(headers: dict[str, str]) -> set[str]:
    """The gateway has verified the token; here it is only read."""
    payload = headers["authorization"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return set(claims.get("scope", "").split())


def may_use(name: str, scopes: set[str]) -> bool:
    """Whether a scope names the tool: `<target>___<tool>` is `<target>:<tool>`."""
    return name.replace("___", ":", 1) in scopes


def refusal(body: dict[str, Any], message: str) -> dict[str, Any]:
    """A response instead of the target's."""
    error = {"code": -32000, "message": message}
    answer = {"jsonrpc": "2.0", "id": body["id"], "error": error}
    return out(transformedGatewayResponse={"statusCode": 403, "body": answer})


def out(**mcp: Any) -> dict[str, Any]:
    """The envelope of the contract."""
    return {"interceptorOutputVersion": "1.0", "mcp": mcp}
