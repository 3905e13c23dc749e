#!/bin/sh
# Calls one tool through the gateway, as anybody could: one POST with an API key.
#
#   ./call.sh PRINCIPAL TOOL ARGUMENTS
#   ./call.sh sam shop___refund '{"order": "A-1002", "amount": 480, "reason": "too big"}'
set -eu
. "$(dirname "$0")/keys.env"
case "$1" in ida) key=$IDA_KEY ;; sam) key=$SAM_KEY ;; lea) key=$LEA_KEY ;; *) key=$1 ;; esac
arguments=${3:-}
[ -n "$arguments" ] || arguments='{}'

curl --silent --show-error "${CALLGATE_URL:-http://127.0.0.1:@AGENTS_PORT@/mcp}" \
  --header "X-API-Key: $key" \
  --header 'Content-Type: application/json' \
  --header 'MCP-Protocol-Version: 2026-07-28' \
  --header 'Mcp-Method: tools/call' \
  --header "Mcp-Name: $2" \
  --data @- <<REQUEST
{
  "jsonrpc": "2.0", "id": 1, "method": "tools/call",
  "params": {
    "name": "$2",
    "arguments": $arguments,
    "_meta": {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {}
    }
  }
}
REQUEST
echo
