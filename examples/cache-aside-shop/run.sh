#!/usr/bin/env bash
# Two shops, one in TypeScript and one in Python, share a cache; prices change while customers look.
set -euo pipefail
. "$(dirname "$0")/../env.sh"
export REDIS_URL=${REDIS_URL:-redis://127.0.0.1:6379/0}
wait_until_captured retail
node ../node_modules/typescript/bin/tsc -p typescript
first=${PAGE_PORT:-8091} second=${SECOND_PORT:-8092}
PORT=$first node typescript/dist/cache-aside-shop/typescript/shop.js &
typescript=$!
trap 'kill $typescript' EXIT
PORT=$second python/shop.py &
python=$!
trap 'kill $typescript $python' EXIT
for port in $first $second; do
  eventually 20 curl -so /dev/null "http://127.0.0.1:$port/reads"
done
node check.mjs "http://127.0.0.1:$first" "http://127.0.0.1:$second"
