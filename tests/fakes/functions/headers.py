"""A REQUEST interceptor that sets headers for the target (scenarios 26 and 27).

`x-tenant` comes from the client context's place of origin and wins over what a client said;
the client's own Authorization goes on as it is.
"""

from typing import Any


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = event["mcp"]["gatewayRequest"]
    headers = {**request["headers"], "X-Tenant": "tenant-of-the-interceptor"}
    headers["X-Gateway"] = context.client_context.custom["GATEWAY_ACCOUNT_ID"]
    return {
        "interceptorOutputVersion": "1.0",
        "mcp": {"transformedGatewayRequest": {"headers": headers, "body": request["body"]}},
    }
