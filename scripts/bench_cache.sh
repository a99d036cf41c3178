#!/usr/bin/env bash
# bench_cache.sh  - how long after a commit its key is deleted behind the fence, at a steady rate of commits.
#
# A PostgreSQL and a Redis of its own; pgbench updates rows at RATE commits a second, each one key of a cache. What is measured is the service's own
# histogram rowfeed_delivery_seconds: from the commit's time stamp to Redis' answer to the second delete, on one clock. Also told: how long a
# commit with a barrier takes, seen from a client. Needs: PostgreSQL 14+ server programs with pgbench, redis-server, curl, Python 3.9+.
#   RATE (1000)  SECONDS_EACH (20)  ROUNDS (3)  BENCH_WORK (/tmp/rowfeed-bench-cache)  ROWFEED_BIN (default: the release build, made first)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-/tmp/rowfeed-bench-cache}
export PGPORT=${PGPORT:-25419}
redis_port=${REDIS_PORT:-25420} http_port=${HTTP_PORT:-25421} kafka_port=${KAFKA_PORT:-25422}
rate=${RATE:-1000} seconds=${SECONDS_EACH:-20} rounds=${ROUNDS:-3}
cd "$here/bench"
. ./env.sh
[ -n "${ROWFEED_BIN:-}" ] || (cd "$here/.." && cargo build --release)
rowfeed=${ROWFEED_BIN:-$here/../target/release/rowfeed}
pids=()
finish() { [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; ./cluster.sh destroy >/dev/null 2>&1 || true; rm -rf "$BENCH_WORK/data"; }
trap finish EXIT
./cluster.sh init
./cluster.sh start
"$PGBIN/psql" -Atqc "create table if not exists item(id int primary key, n int not null); insert into item select i, 0 from generate_series(1, 10000) i on conflict do nothing"
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no >/dev/null & pids+=($!)
rm -rf "$BENCH_WORK/data" && mkdir -p "$BENCH_WORK/data"
"$rowfeed" run --data "$BENCH_WORK/data" --http "127.0.0.1:$http_port" --kafka "127.0.0.1:$kafka_port" >"$BENCH_WORK/rowfeed.log" 2>&1 & pids+=($!)
base=http://127.0.0.1:$http_port
for _ in $(seq 100); do curl -sf "$base/readyz" >/dev/null && break; sleep 0.1; done
curl -sf -X PUT -H 'content-type: application/json' "$base/connectors/bench/config" -d '{"connector.class":"io.debezium.connector.postgresql.PostgresConnector","database.hostname":"127.0.0.1","database.port":"'"$PGPORT"'","database.user":"postgres","database.password":"none","database.dbname":"bench","topic.prefix":"bench","plugin.name":"pgoutput","slot.name":"bench_cache","publication.name":"bench_cache","publication.autocreate.mode":"filtered","table.include.list":"public.item","snapshot.mode":"no_data"}' >/dev/null
for _ in $(seq 100); do [ "$("$PGBIN/psql" -Atqc "select active and confirmed_flush_lsn is not null from pg_replication_slots where slot_name = 'bench_cache'")" = t ] && break; sleep 0.1; done
curl -sf -X PUT -H 'content-type: application/json' "$base/v1/subscriptions/cache" -d '{"type":"redis","url":"redis://127.0.0.1:'"$redis_port"'/0","topics":["bench.public.*"],"connector":"bench","keys":["item:{id}"]'"${MORE:-}"'}' >/dev/null
printf '\\set id random(1, 10000)\nupdate item set n = n + 1 where id = :id;\n' >"$BENCH_WORK/update.sql"
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $("$PGBIN/postgres" --version), $(redis-server --version | cut -d' ' -f3), $(uname -r)"
"$PGBIN/pgbench" -n -f "$BENCH_WORK/update.sql" -c 8 -j 1 -R "$rate" -T 3 >/dev/null 2>&1
for ((round = 1; round <= rounds; round++)); do
  curl -s "$base/metrics" >"$BENCH_WORK/before"
  said=$("$PGBIN/pgbench" -n -f "$BENCH_WORK/update.sql" -c 8 -j 1 -R "$rate" -T "$seconds" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
  lsn=$("$PGBIN/psql" -Atqc 'select pg_current_wal_insert_lsn()')
  waited=$(curl -sf "$base/v1/subscriptions/cache/barrier?lsn=$lsn&timeout=30s" | python3 -c 'import json,sys; print(json.load(sys.stdin)["waited_ms"])')
  curl -s "$base/metrics" >"$BENCH_WORK/after"
  echo "round $round: $said commits/s, barrier behind the last one ${waited} ms, $(python3 ./histogram.py rowfeed_delivery_seconds "$BENCH_WORK/before" "$BENCH_WORK/after")"
done
