#!/usr/bin/env bash
# bench_snapshot.sh  - the initial snapshot of 5,000,000 narrow rows (w4), beside COPY and beside Debezium, in one run.
#
# Read in alternation by psql's \copy of two halves to /dev/null, by rowfeed, whose events are durable in its log when the
# stream begins, with schemas and without, compressed and not, and by Debezium's engine with a consumer that only counts. Needs what
# bench_walsender.sh does, and for Debezium Java 17 and Maven (scripts/get_debezium.sh).
#   ROUNDS (3)  W4_ROWS  SKIP_DEBEZIUM=1  BENCH_WORK (/tmp/rowfeed-bench)  KEEP=1 (the server stays)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-/tmp/rowfeed-bench}
export PGPORT=${PGPORT:-54316}
if [ -z "${SKIP_DEBEZIUM:-}" ]; then
  "$here/get_debezium.sh"
  export DEBEZIUM_LIBS=$here/../.cache/golden/libs
fi
cd "$here/bench"
. ./env.sh
results=$BENCH_WORK/results/$(date -u +%Y%m%dT%H%M%SZ)
[ -n "${ROWFEED_BIN:-}" ] || (cd "$here/.." && cargo build --release)
if ! ./cluster.sh status >/dev/null 2>&1; then
  [ -d "$BENCH_PGDATA" ] || ./cluster.sh init
  ./cluster.sh start
fi
[ -n "${KEEP:-}" ] || trap './cluster.sh destroy >/dev/null' EXIT
mkdir -p "$results"
one() { ./bench.py snapshot w4 "$@" --runs 1 --extra 0 --results "$results" || echo "FAILED: $*" >&2; }
lz4="producer.override.compression.type=lz4"
schemas="key.converter.schemas.enable=true value.converter.schemas.enable=true"
[ "$("$PGBIN/psql" -XAtqc "select to_regclass('snap') is not null" 2>/dev/null)" = t ] || ./prepare.sh w4
for ((i = 0; i < ${ROUNDS:-3}; i++)); do
  one --name copy-2 --cmd "sut/psqlcopy.sh text 2"
  one --name rowfeed --cmd "sut/rowfeed.sh" --done stream
  one --name rowfeed-lz4 --cmd "sut/rowfeed.sh $lz4" --done stream
  one --name rowfeed-schemas --cmd "sut/rowfeed.sh $schemas" --done stream
  one --name rowfeed-schemas-lz4 --cmd "sut/rowfeed.sh $schemas $lz4" --done stream
  [ -n "${SKIP_DEBEZIUM:-}" ] && continue
  one --name debezium --cmd "sut/debezium.sh"
  one --name debezium-schemas --cmd "sut/debezium.sh converter.schemas.enable=true"
done
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $("$PGBIN/postgres" --version), $(uname -r)"
./ratios.py "$results"
