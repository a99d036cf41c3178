#!/usr/bin/env bash
# bench_walsender.sh [w1 w2 w3 latency idle]  - how near rowfeed comes to PostgreSQL's own walsender, in one run.
#
# The same backlog is drained again and again, in alternation: by a receiver that only empties the socket (rawdrain.py,
# with two pauses between its large reads), by pg_recvlogical, and by rowfeed, whose events are durable in its log.
# Alternation makes the ratios fair on a machine whose speed changes. Figures go to $BENCH_WORK/results, tables to the
# terminal. Needs: PostgreSQL 14+ server programs, Python 3.9+, bc, kcat (latency). Root starts the server as `postgres`.
#   ROUNDS (3)  BENCH_WORK (/tmp/rowfeed-bench)  W1_TX W2_TX W3_ROWS (smaller backlogs)  LATENCY_SECONDS (60)  KEEP=1 (the server stays)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-/tmp/rowfeed-bench}
export PGPORT=${PGPORT:-54316}
cd "$here/bench"
. ./env.sh
[ $# -gt 0 ] || set -- w1 w2 w3 latency idle
rounds=${ROUNDS:-3}
results=$BENCH_WORK/results/$(date -u +%Y%m%dT%H%M%SZ)
[ -n "${ROWFEED_BIN:-}" ] || (cd "$here/.." && cargo build --release)
if ! ./cluster.sh status >/dev/null 2>&1; then
  [ -d "$BENCH_PGDATA" ] || ./cluster.sh init
  ./cluster.sh start
fi
[ -n "${KEEP:-}" ] || trap './cluster.sh destroy >/dev/null' EXIT
mkdir -p "$results"
one() { ./bench.py "$@" --runs 1 --extra 0 --results "$results" || echo "FAILED: $*" >&2; }
for work in "$@"; do
  case $work in
    w1|w2|w3)
      ./prepare.sh "$work"
      for ((i = 0; i < rounds; i++)); do
        one stream "$work" --name rawdrain-nap300us --cmd "sut/rawdrain.py nap_us=300" --done line
        one stream "$work" --name rowfeed --cmd "sut/rowfeed.sh" --done flush
        one stream "$work" --name rawdrain-nap1ms --cmd "sut/rawdrain.py nap_us=1000" --done line
        one stream "$work" --name recvlogical --cmd "sut/recvlogical.sh"
      done ;;
    latency)
      ./prepare.sh w5
      one latency w5 --name rowfeed --cmd "sut/rowfeed.sh" --seconds "${LATENCY_SECONDS:-60}"
      one latency w5 --name recvlogical --cmd "sut/recvlogical.sh" --seconds "${LATENCY_SECONDS:-60}" ;;
    idle)
      ./prepare.sh w5
      one idle w5 --name rowfeed --cmd "sut/rowfeed.sh" --seconds 20 ;;
    *) echo "unknown work $work: w1 w2 w3 latency idle" >&2; exit 2 ;;
  esac
done
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $("$PGBIN/postgres" --version), $(uname -r)"
./ratios.py "$results"
