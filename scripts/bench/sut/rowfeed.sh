#!/usr/bin/env bash
# rowfeed.sh [option=value ...]  - rowfeed as a system under test; the options go into the connector's configuration.
# The events go, durable, into the built-in log below $BENCH_WORK. It knows nothing of the benchmark and never ends by
# itself: use `--done flush`, in snapshot mode `--done stream`. In latency mode kcat reads the topic and latscan.py stamps what it prints.
# ROWFEED_BIN: the program (default: the release build of this repository).
set -euo pipefail
. "$(dirname "$0")/../env.sh"
bin=${ROWFEED_BIN:-$BENCH_HOME/../../target/release/rowfeed}
dir=$BENCH_WORK/rowfeed
kafka=127.0.0.1:${BENCH_KAFKA_PORT:-19092}
mode=no_data
[ "$BENCH_MODE" = snapshot ] && mode=initial
rm -rf -- "${dir:?}"
mkdir -p "$dir/connectors"
{
  cat <<CONF
{
  "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
  "topic.prefix": "bench",
  "plugin.name": "pgoutput",
  "snapshot.mode": "$mode",
  "slot.name": "$BENCH_SLOT",
  "publication.name": "$BENCH_PUBLICATION",
  "publication.autocreate.mode": "disabled",
  "table.include.list": "$BENCH_TABLE,public.bench_marker",
  "database.hostname": "$PGHOST",
  "database.port": "$PGPORT",
  "database.user": "$PGUSER",
  "database.password": "${PGPASSWORD:-none}",
  "database.dbname": "$PGDATABASE",
CONF
  for option in "$@"; do printf '  "%s": "%s",\n' "${option%%=*}" "${option#*=}"; done
  # The slot's flushed position is what tells the harness the end.
  echo '  "status.update.interval.ms": "100"'
  echo '}'
} > "$dir/connectors/bench.json"
run=("$bin" run --data "$dir/data" --connectors "$dir/connectors" --kafka "$kafka" --http "127.0.0.1:${BENCH_HTTP_PORT:-18083}" --set logging.level=warn)
unset "${!ROWFEED_@}"
if [ "$BENCH_MODE" != latency ]; then
  exec "${run[@]}"
fi
"${run[@]}" >&2 &
trap 'kill $!' EXIT
topic=bench.$BENCH_TABLE
until kcat -b "$kafka" -L -t "$topic" 2>/dev/null | grep -q 'partition 0, leader'; do sleep 0.1; done
kcat -b "$kafka" -C -t "$topic" -o beginning -u -q -X fetch.wait.max.ms=500 -X fetch.error.backoff.ms=1 -X check.crcs=false | python3 "$BENCH_HOME/latscan.py"
