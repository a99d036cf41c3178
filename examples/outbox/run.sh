#!/usr/bin/env bash
# Serves the application, and shows in a headless browser that each user sees their own notifications. PAGE_ONLY=1: serves it for your own
# browser (http://127.0.0.1:8090/?user=42; then: psql outbox -c 'insert into orders values (1, 42); call ship(1)').
set -euo pipefail
. "$(dirname "$0")/../env.sh"
wait_until_captured notify
# A token that may read this topic and nothing else; the service's first one is in its data folder.
admin=${ROWFEED_TOKEN:-$(cat "${ROWFEED_TOKEN_FILE:-$root/.cache/examples/data/outbox/admin.token}")}
ROWFEED_TOKEN=$(curl -fsS -H "Authorization: Bearer $admin" --json '{"name": "app-'$$'", "scopes": ["read:topics:notify.notifications"]}' \
  "$ROWFEED_SERVER/v1/tokens" | jq -r .token)
export ROWFEED_TOKEN PAGE_PORT=${PAGE_PORT:-8090}
if [ -n "${PAGE_ONLY:-}" ]; then
  exec node server.mjs
fi
node server.mjs &
trap "kill $!" EXIT
eventually 10 curl -fso /dev/null "http://127.0.0.1:$PAGE_PORT/"
node check.mjs "http://127.0.0.1:$PAGE_PORT/"
