"""A REQUEST interceptor that looks for SQL injection in every text argument (scenario 24)."""

import re
from typing import Any

PATTERNS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r";\s*(drop|delete|update|insert|alter|truncate)\b",
        r"\bunion\b\s+(all\s+)?\bselect\b",
        r"'\s*or\s+'?\d*'?\s*=\s*'?\d*",
        r"--\s*$",
    )
]


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    body = event["mcp"]["gatewayRequest"]["body"]
    arguments = body.get("params", {}).get("arguments", {})
    if body.get("method") == "tools/call" and any(map(_is_injection, _texts(arguments))):
        text = "SQL_INJECTION_DETECTED: the request was blocked"
        result = {"isError": True, "content": [{"type": "text", "text": text}]}
        answer = {"jsonrpc": "2.0", "id": body.get("id"), "result": result}
        mcp: dict[str, Any] = {"transformedGatewayResponse": {"statusCode": 200, "body": answer}}
    else:
        mcp = {"transformedGatewayRequest": {"body": body}}
    return {"interceptorOutputVersion": "1.0", "mcp": mcp}


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in _texts(item)]


def _is_injection(text: str) -> bool:
    return any(pattern.search(text) for pattern in PATTERNS)
