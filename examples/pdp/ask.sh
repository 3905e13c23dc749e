#!/bin/sh
# Asks the gateway for a decision: one POST, as any AuthZEN client makes it.
#
#   ./ask.sh SUBJECT ACTION RESOURCE [ACTION-PROPERTIES]
#
# CALLGATE_CONTROL_TOKEN: the token, where the listener wants one. CALLGATE_CONTROL: where it is.
set -eu
properties=${4:-}
[ -n "$properties" ] || properties='{}'

curl --silent --show-error "${CALLGATE_CONTROL:-http://127.0.0.1:8081}/access/v1/evaluation" \
  ${CALLGATE_CONTROL_TOKEN:+--header "Authorization: Bearer $CALLGATE_CONTROL_TOKEN"} \
  --header 'Content-Type: application/json' \
  --data @- <<REQUEST
{
  "subject": {"type": "user", "id": "$1"},
  "action": {"name": "$2", "properties": $properties},
  "resource": {"type": "record", "id": "$3"}
}
REQUEST
echo
