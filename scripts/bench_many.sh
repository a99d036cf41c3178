#!/usr/bin/env bash
# bench_many.sh [option=value ...]  - many connectors in one process: what one costs that idles, and what those with little
# to say feel of one that is flooded: commit to visible, quiet and flooded in alternation, in one run.
#
# Every connector has a database of its own. The flooded ones commit transactions of FLOOD_ROWS rows without a pause, each of the
# others one row a second, which is read from `/v1/records` as it becomes visible. With APART=1 the flooded databases are on a
# server of their own: on the same server each walsender reads the whole WAL, so the flood slows PostgreSQL down for everybody.
# Options go into every connector's configuration. Figures go to the terminal. Needs: PostgreSQL 14+ server programs, Python 3.9+.
#   CONNECTORS (50)  FLOODED (1)  FLOOD_ROWS (200000)  SECONDS_EACH (20)  ROUNDS (3)  APART  PEER  BENCH_WORK (/tmp/rowfeed-bench-many)
# With PEER=1 a pg_recvlogical for each database is measured in rowfeed's place.
#   ROWFEED_BIN (default: the release build, made first)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-/tmp/rowfeed-bench-many}
export PGPORT=${PGPORT:-54317}
cd "$here/bench"
export BENCH_PGCONF_EXTRA="max_connections = 400
max_wal_senders = 150
max_replication_slots = 150"
. ./env.sh
[ -n "${ROWFEED_BIN:-}" ] || (cd "$here/.." && cargo build --release)
export ROWFEED_BIN=${ROWFEED_BIN:-$here/../target/release/rowfeed}
flood() { BENCH_PGDATA=$BENCH_WORK/pgdata-flood PGPORT=$((PGPORT + 1)) ./cluster.sh "$@"; }
trap './cluster.sh destroy >/dev/null; [ -z "${APART:-}" ] || flood destroy >/dev/null' EXIT
./cluster.sh init
./cluster.sh start
[ -z "${APART:-}" ] || { flood init; flood start; }
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $("$PGBIN/postgres" --version), $(uname -r)"
./many.py "$@"
