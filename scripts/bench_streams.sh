#!/usr/bin/env bash
# Live streams: memory of idle subscribers, lateness of events at thousands, capture under thousands of filters.
# scripts/bench_streams.sh [idle N | idle2 N | fanout N RATE [QUERY] | filters N ROWS]; all of them without words.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --bin rowfeed
export ROWFEED=$PWD/target/release/rowfeed
# The service and the client have their descriptors apart.
ulimit -n "$(ulimit -Hn)"
if [ $# -gt 0 ]; then exec cargo bench --bench streams -- "$@"; fi
cargo bench --bench streams -- idle 15000
cargo bench --bench streams -- idle2 50000
cargo bench --bench streams -- fanout 2000 1000 'view=flat'
cargo bench --bench streams -- filters 10000 400000
