#!/usr/bin/env bash
# console_shots.sh [FOLDER]  - takes the README's pictures of the console: a scene of three databases, then console/browser/shots.mjs in both themes.
#
# The scene: a shop that streams, a billing database whose snapshot is half done, a crm whose password was changed and whose slot holds WAL, a
# receiver of webhooks that sometimes answers 503, and a warehouse that cannot be captured yet, for the wizard. Charts need a past: it runs for
# MINUTES (12) first. Pictures go to FOLDER (/tmp/rowfeed-shots/pictures); those of docs/img are chosen by hand and copied.
# Needs: PostgreSQL 14+ server programs with pgbench, curl, chromium, Node 20+, the built console (scripts/build_console.sh).
#   MINUTES (12)  BENCH_WORK (/tmp/rowfeed-shots)  ROWFEED_BIN (default: the release build, made first)  SHOTS (names: fewer pictures)
#   CONSOLE_BASE (another address of the console, such as `npm run preview`'s with ROWFEED=http://127.0.0.1:25621)  KEEP=1 (the scene stays until Enter is pressed, for a look around)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export BENCH_WORK=${BENCH_WORK:-/tmp/rowfeed-shots}
export PGPORT=${PGPORT:-25619} PGDATABASE=shop
export BENCH_PGCONF_EXTRA="max_slot_wal_keep_size = 8GB
log_statement = none"
http_port=${HTTP_PORT:-25621} kafka_port=${KAFKA_PORT:-25622} hook_port=${HOOK_PORT:-25623}
pictures=$(realpath -m "${1:-$BENCH_WORK/pictures}")
seconds=$((${MINUTES:-12} * 60))
. "$here/bench/env.sh"
[ -n "${ROWFEED_BIN:-}" ] || { "$here/build_console.sh" && (cd "$here/.." && cargo build --release); }
rowfeed=${ROWFEED_BIN:-$here/../target/release/rowfeed}
base=http://127.0.0.1:$http_port
pids=()
finish() { [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; "$here/bench/cluster.sh" destroy >/dev/null 2>&1 || true; rm -rf "$BENCH_WORK/data"; }
trap finish EXIT
sql() { "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2" >/dev/null; }
script() { "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -d "$1" -f "$here/shots/$1.sql" >/dev/null; }
put() { curl -sf -X PUT -H 'content-type: application/json' "$base$1" -d "$2" >/dev/null; }

# connector NAME TABLES OPTIONS
connector() {
  put "/connectors/$1/config" '{"connector.class":"io.debezium.connector.postgresql.PostgresConnector","database.hostname":"127.0.0.1","database.port":"'"$PGPORT"'","database.user":"'"${1}_cdc"'","database.password":"'"$1"'-secret","database.dbname":"'"$1"'","topic.prefix":"'"$1"'","slot.name":"'"${1}_slot"'","publication.name":"'"${1}_pub"'","publication.autocreate.mode":"filtered","table.include.list":"'"$2"'","heartbeat.interval.ms":"10000","decimal.handling.mode":"string"'"$3"'}'
}

# busy DATABASE SECONDS RATE...: its traffic, each rate for an equal part of the time.
busy() {
  local database=$1 part=$(($2 / ($# - 2))) rate
  shift 2
  for rate in "$@"; do "$PGBIN/pgbench" -n -f "$here/shots/$database.pgbench" -c 2 -R "$rate" -T "$part" "$database" >/dev/null 2>&1; done
}

mkdir -p "$pictures" "$BENCH_WORK"
(cd "$here/bench" && ./cluster.sh init)
# Passwords are asked for, so that a wrong one is refused.
hba=$BENCH_PGDATA/pg_hba.conf
{ echo "host all shop_cdc,billing_cdc,crm_cdc 127.0.0.1/32 scram-sha-256"; cat "$hba"; } | as_pg tee "$hba.new" >/dev/null
as_pg mv "$hba.new" "$hba"
(cd "$here/bench" && ./cluster.sh start)
for database in billing crm warehouse; do sql postgres "create database $database"; done
for database in shop billing crm; do
  sql postgres "create role ${database}_cdc login replication password '$database-secret'; grant create on database $database to ${database}_cdc"
done
sql postgres "create role warehouse_app login"
for database in shop billing crm warehouse; do script "$database"; done
rm -rf "$BENCH_WORK/data" && mkdir -p "$BENCH_WORK/data"
(cd "$BENCH_WORK/data" && exec "$rowfeed" run --data "$BENCH_WORK/data" --http "127.0.0.1:$http_port" --kafka "127.0.0.1:$kafka_port" --set log.max_bytes=4294967296) >"$BENCH_WORK/rowfeed.log" 2>&1 & pids+=($!)
for _ in $(seq 100); do curl -sf "$base/readyz" >/dev/null && break; sleep 0.1; done
node "$here/shots/receiver.mjs" "$hook_port" & pids+=($!)

connector shop public.customers,public.products,public.orders,public.order_items ''
connector crm public.accounts,public.contacts ''
put /v1/subscriptions/order-mails '{"type":"webhook","url":"http://127.0.0.1:'"$hook_port"'/mails","topics":["shop.public.orders"],"where":"changed(status)","view":"diff","secret":"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","retries":"10s,1m,10m"}'
busy shop $((seconds + 600)) 30 42 55 38 61 80 66 47 58 71 90 64 52 45 60 75 68 50 40 57 83 62 48 55 70 & pids+=($!)
busy crm $((seconds + 600)) 6 9 4 7 12 8 5 10 & pids+=($!)
# The slow table of billing is at three fifths when the pictures are taken.
sleep $((seconds - 330 > 5 ? seconds - 330 : 5))
connector billing public.invoices,public.payments,public.ledger_entries ',"snapshot.select.statement.overrides":"public.payments","snapshot.select.statement.overrides.public.payments":"select * from public.payments where case when id % 2 = 0 then pg_sleep(0.001) is not null else true end"'
busy billing 900 8 12 6 & pids+=($!)
sleep $((seconds > 330 ? 60 : 5))
sql postgres "alter role crm_cdc password 'another'; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'crm_cdc'"
sql shop "insert into imported select g, md5(g::text) from generate_series(1, 1500000) g"
sleep $((seconds > 330 ? 270 : 25))
taken=0
(cd "$here/../console" && node browser/shots.mjs "${CONSOLE_BASE:-$base}" "$pictures" "postgres://warehouse_app@127.0.0.1:$PGPORT/warehouse" ${SHOTS:-}) || taken=$?
ls -l "$pictures"
if [ -n "${KEEP:-}" ]; then
  echo "the scene is at $base/ui/; Enter ends it"
  read -r _
fi
exit "$taken"
