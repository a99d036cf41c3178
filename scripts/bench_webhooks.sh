#!/usr/bin/env bash
# bench_webhooks.sh [RECORDS] [KEYS] [CONCURRENCY]  - webhooks a second to a local receiver, order per key asserted.
# The log, the sink and its signatures as in the service; the receiver is a thread that answers 204 at once. Without PostgreSQL.
#   RECORDS (50000)  KEYS (1000)  CONCURRENCY (32)  ROUNDS (3)
set -euo pipefail
cd "$(dirname "$0")/.."
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(uname -r)"
for _ in $(seq "${ROUNDS:-3}"); do
  cargo bench --quiet --bench webhooks -- "$@"
done
