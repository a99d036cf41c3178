#!/usr/bin/env bash
# bench_console.sh [paint] [frames] [capture] [memory]  - what the console promises about speed, measured in a real browser; all of it without words.
#
# A PostgreSQL of its own with two connectors; pgbench changes RATE rows a second of a watched table, ten a transaction, all the while. The browser,
# the service, PostgreSQL and pgbench share the machine, so what the machine does to any page is measured in the same run: `closed` is the
# same topic without its tail.
#   paint    LOADS (10) cold loads of the overview: first paint, first content, the table, the charts
#   frames   the page's frames for SECONDS_EACH (30) as `closed`, `tail`, `person` and `overview`, ROUNDS (1) times
#   capture  in alternation, CAPTURE_ROUNDS (3) times: no console, the tail of a tab without its browser, a tail in the browser: commit to durable at
#            RATE for CAPTURE_SECONDS (10), and rows a second out of a backlog of BACKLOG (600000)
#   memory   of the service with 0, 1 and 20 tabs that watch the topic at RATE
# Needs: PostgreSQL 14+ server programs with pgbench, curl, chromium, Node 20+, Python 3.9+, the built console (scripts/build_console.sh).
#   RATE (5000)  BENCH_WORK (/tmp/rowfeed-bench-console)  ROWFEED_BIN (default: the release build, made first)
#   CONSOLE_BASE (another address of the console, such as `npm run preview`'s with ROWFEED=http://127.0.0.1:25521: one that is not in the program yet)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-/tmp/rowfeed-bench-console}
export PGPORT=${PGPORT:-25519}
http_port=${HTTP_PORT:-25521} kafka_port=${KAFKA_PORT:-25522}
rate=${RATE:-5000} topic=shop.public.orders rows_tx=10
cd "$here/bench"
. ./env.sh
[ $# -gt 0 ] || set -- paint frames capture memory
[ -n "${ROWFEED_BIN:-}" ] || { "$here/build_console.sh" && (cd "$here/.." && cargo build --release); }
rowfeed=${ROWFEED_BIN:-$here/../target/release/rowfeed}
base=http://127.0.0.1:$http_port
console_base=${CONSOLE_BASE:-$base}
pids=()
finish() { [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; ./cluster.sh destroy >/dev/null 2>&1 || true; rm -rf "$BENCH_WORK/data"; }
trap finish EXIT
sql() { "$PGBIN/psql" -XAtqc "$1"; }

# connector NAME TABLE: from the table as it is on.
connector() {
  curl -sf -X PUT -H 'content-type: application/json' "$base/connectors/$1/config" -d '{"connector.class":"io.debezium.connector.postgresql.PostgresConnector","database.hostname":"127.0.0.1","database.port":"'"$PGPORT"'","database.user":"postgres","database.password":"none","database.dbname":"bench","topic.prefix":"'"$1"'","slot.name":"'"$1"'","publication.name":"'"$1"'","publication.autocreate.mode":"filtered","table.include.list":"public.'"$2"'","snapshot.mode":"no_data"}' >/dev/null
  for _ in $(seq 100); do [ "$(sql "select active and confirmed_flush_lsn is not null from pg_replication_slots where slot_name = '$1'")" = t ] && return; sleep 0.1; done
  echo "the connector $1 does not stream, see $BENCH_WORK/rowfeed.log" >&2; exit 1
}

# changes SCRIPT TRANSACTIONS_A_SECOND SECONDS: says the transactions a second that there were.
changes() { "$PGBIN/pgbench" -n -f "$BENCH_WORK/$1" -c 4 -j 1 -R "$2" -T "$3" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }

# while_changing COMMAND...: runs it while the watched table changes; says how many rows there really were.
while_changing() {
  local writer began rows
  rows=$(sql "select n_tup_upd from pg_stat_user_tables where relname = 'orders'") began=$(date +%s.%N)
  "$PGBIN/pgbench" -n -f "$BENCH_WORK/orders.sql" -c 4 -j 1 -R $((rate / rows_tx)) -T 100000 >/dev/null 2>&1 & writer=$!
  pids+=("$writer")
  sleep 1
  "$@"
  kill "$writer"
  wait "$writer" 2>/dev/null || true
  sleep 1.5
  echo "  the table changed at $(python3 -c "print(round(($(sql "select n_tup_upd from pg_stat_user_tables where relname = 'orders'") - $rows) / ($(date +%s.%N) - 1.5 - $began)))") rows/s"
}

# watched KIND COMMAND...: runs it while that kind of console is open.
watched() {
  local kind=$1 viewer; shift
  case $kind in
    none) "$@"; return ;;
    tab) coproc viewer (exec node --experimental-websocket --no-warnings console/tabs.mjs "$base" "$topic" "${TABS:-1}") ;;
    browser) coproc viewer (exec node console/open.mjs "$console_base" "$topic") ;;
  esac
  local in=${viewer[0]} out=${viewer[1]} is
  read -r -t 60 is <&"$in" && [ "$is" = open ]
  "$@"
  exec {out}>&-
  wait "$viewer_PID" || true
}

late() {
  curl -s "$base/metrics" >"$BENCH_WORK/before"
  changes orders.sql $((rate / rows_tx)) "${CAPTURE_SECONDS:-10}" >/dev/null
  sleep 0.5
  curl -s "$base/metrics" >"$BENCH_WORK/after"
  said=$(python3 ./histogram.py rowfeed_commit_to_log_seconds "$BENCH_WORK/before" "$BENCH_WORK/after" "commit to durable" batches)
}

# Until the changes are durable, as the service counts them: what it confirms to PostgreSQL comes in steps of half a second.
drain() {
  curl -sf -X PUT "$base/connectors/shop/pause" >/dev/null
  for _ in $(seq 100); do [ "$(sql "select active from pg_replication_slots where slot_name = 'shop'")" = f ] && break; sleep 0.1; done
  PGOPTIONS="-c synchronous_commit=off" sql "call backlog(${BACKLOG:-600000})"
  sql "checkpoint"
  drained=$(python3 console/drain.py "$http_port" shop "${BACKLOG:-600000}" "$service")
}

resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$service/status" | awk '{printf "%.0f MiB", $1 / 1024}'; }

./cluster.sh init
./cluster.sh start
sql "create table orders(id int primary key, customer int not null, status text not null, total numeric(10, 2) not null, note text);
  alter table orders replica identity full;
  insert into orders select g, g % 97, 'pending', g % 1000, md5(g::text) from generate_series(1, 100000) g;
  create table invoices(id int primary key, paid boolean not null, amount numeric(10, 2) not null);
  insert into invoices select g, false, g from generate_series(1, 10000) g;
  create procedure backlog(wanted int) language plpgsql as \$\$ begin
    for t in 1..wanted / 10 loop
      update orders set status = case status when 'paid' then 'shipped' else 'paid' end, total = total + 1 where id between 1 + t % 10000 * 10 and 10 + t % 10000 * 10;
      commit;
    end loop;
  end \$\$"
printf '\\set a random(0, 9999)\nupdate orders set status = case status when '"'paid'"' then '"'shipped'"' else '"'paid'"' end, total = total + 1 where id between 1 + :a * 10 and 10 + :a * 10;\n' >"$BENCH_WORK/orders.sql"
printf '\\set id random(1, 10000)\nupdate invoices set paid = not paid where id = :id;\n' >"$BENCH_WORK/invoices.sql"
rm -rf "$BENCH_WORK/data" && mkdir -p "$BENCH_WORK/data"
"$rowfeed" run --data "$BENCH_WORK/data" --http "127.0.0.1:$http_port" --kafka "127.0.0.1:$kafka_port" >"$BENCH_WORK/rowfeed.log" 2>&1 & service=$!
pids+=("$service")
for _ in $(seq 100); do curl -sf "$base/readyz" >/dev/null && break; sleep 0.1; done
connector shop orders
connector billing invoices
echo "machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $("$PGBIN/postgres" --version), $("${CHROMIUM:-/usr/bin/chromium}" --version 2>/dev/null), $(uname -r)"
changes orders.sql $((rate / rows_tx)) 3 >/dev/null
changes invoices.sql 50 12 >/dev/null

for work in "$@"; do
  case $work in
    paint)
      echo "paint, nothing else to do:"
      node console/paint.mjs "$console_base" "${LOADS:-10}"
      echo "paint, while $rate rows a second change:"
      while_changing node console/paint.mjs "$console_base" "${LOADS:-10}" ;;
    frames)
      for ((round = 1; round <= ${ROUNDS:-1}; round++)); do
        while_changing node console/frames.mjs "$console_base" "$topic" "$service" "${SECONDS_EACH:-30}" closed tail person overview
      done ;;
    capture)
      for ((round = 1; round <= ${CAPTURE_ROUNDS:-3}; round++)); do
        for kind in none tab browser; do
          watched "$kind" eval 'late; drain'
          echo "capture, $kind: $drained; at $rate a second $said"
        done
      done ;;
    memory)
      echo "memory, idle without a tab: $(resident)"
      for tabs in 0 1 20; do
        if [ "$tabs" = 0 ]; then kind=none; else kind=tab; fi
        TABS=$tabs watched "$kind" eval 'changes orders.sql $((rate / rows_tx)) 10 >/dev/null; echo "memory, $tabs tabs at $rate a second: $(resident)"'
      done ;;
    *) echo "unknown work $work: paint frames capture memory" >&2; exit 2 ;;
  esac
done
