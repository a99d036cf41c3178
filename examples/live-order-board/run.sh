#!/usr/bin/env bash
# Serves the page, and shows in a headless browser that it is live and catches up. PAGE_ONLY=1: serves it for your own browser.
set -euo pipefail
. "$(dirname "$0")/../env.sh"
port=${PAGE_PORT:-8090}
if [ -n "${PAGE_ONLY:-}" ]; then
  exec python3 -m http.server --bind 127.0.0.1 "$port"
fi
python3 -m http.server --bind 127.0.0.1 "$port" 2>/dev/null &
trap "kill $!" EXIT
wait_until_captured board
eventually 10 curl -fso /dev/null "http://127.0.0.1:$port/"
sql 'delete from orders'
node check.mjs "http://127.0.0.1:$port/"
