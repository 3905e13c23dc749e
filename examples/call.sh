#!/bin/sh
# Calls one tool through a gateway on this machine: one POST, as any MCP client makes it.
#
#   ./call.sh TOOL ARGUMENTS
#
# CALLGATE_TOKEN: a token or API key to present. CALLGATE_URL: another gateway than the default.
set -eu
arguments=${2:-}
[ -n "$arguments" ] || arguments='{}'

curl --silent --show-error "${CALLGATE_URL:-http://127.0.0.1:8080/mcp}" \
  ${CALLGATE_TOKEN:+--header "Authorization: Bearer $CALLGATE_TOKEN"} \
  --header 'Content-Type: application/json' \
  --header 'MCP-Protocol-Version: 2026-07-28' \
  --header 'Mcp-Method: tools/call' \
  --header "Mcp-Name: $1" \
  --data @- <<REQUEST
{
  "jsonrpc": "2.0", "id": 1, "method": "tools/call",
  "params": {
    "name": "$1",
    "arguments": $arguments,
    "_meta": {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {}
    }
  }
}
REQUEST
echo
