#!/usr/bin/env bash
# golden_refresh.sh [--check] [TEST...]  - captures the events of the real Debezium again, into tests/golden/*.jsonl.
# Runs Debezium 3.6.3 (fetched by Maven into .cache/golden) and rowfeed on the same temporary PostgreSQL at the same time,
# and fails when they differ in anything that tests/golden/differences.rs does not list. Needs a JDK, Maven, PostgreSQL 15+.
#   --check   rewrites nothing, and also fails where a captured file is not what Debezium says now
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/needs.sh"
mode=REFRESH
if [ "${1:-}" = --check ]; then
  mode=LIVE
  shift
fi
need_build
need python3 python3
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
need_postgis
install_missing
scripts/get_debezium.sh
scripts/get_pgvector.sh
# One after the other: a captured transaction's neighbours are its own then.
env ROWFEED_REQUIRE_ALL=1 ROWFEED_GOLDEN_$mode=1 cargo test --locked --test golden -- --test-threads=1 "$@"
[ $mode = LIVE ] || git --no-pager diff --stat -- tests/golden
