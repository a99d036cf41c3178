#!/usr/bin/env bash
# prepare.sh w1|w2|w3|w4|w5 ...   - create a workload's table and, for w1-w3, first a slot and then the backlog; w4: its rows.
# The slot base_wN stays where the backlog starts; each run drains a copy of it, so runs are repeatable.
# W1_TX, W2_TX, W3_ROWS, W4_ROWS scale the workloads down for a quick try.
set -euo pipefail
. "$(dirname "$0")/env.sh"
sql() { "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 "$@"; }
sql -c "create table if not exists bench_meta (workload text primary key, tbl text, expect bigint, start_lsn pg_lsn, end_lsn pg_lsn,
        load_s numeric, table_bytes bigint);
        create table if not exists bench_marker (id bigserial primary key, at timestamptz default now());"
for w in "$@"; do
  case $w in
    w1) tbl=orders; n=$((${W1_TX:-100000} * 10)); args=(-v "scale_tx=${W1_TX:-100000}") ;;
    w2) tbl=wide;   n=$((${W2_TX:-2000} * 100));  args=(-v "scale_tx=${W2_TX:-2000}") ;;
    w3) tbl=big_tx; n=${W3_ROWS:-2000000};        args=(-v "rows=$n") ;;
    w4) tbl=snap;   n=${W4_ROWS:-5000000};        args=(-v "rows=$n") ;;
    w5) tbl=lat;    n=0;                          args=() ;;
    *) echo "unknown workload $w" >&2; exit 2 ;;
  esac
  sql -c "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = 'base_$w'" >/dev/null
  sql -c "set client_min_messages = warning; drop publication if exists pub_$w; drop table if exists $tbl cascade" -f "$BENCH_HOME/sql/${w}_schema.sql"
  sql -c "create publication pub_$w for table $tbl, bench_marker"
  start='' ; end=''
  t0=$(date +%s.%N)
  if [ "$w" != w4 ] && [ "$w" != w5 ]; then
    start=$(sql -c "select lsn from pg_create_logical_replication_slot('base_$w', 'pgoutput')")
  fi
  [ "$w" = w5 ] || sql "${args[@]}" -f "$BENCH_HOME/sql/${w}_load.sql"
  load=$(echo "$(date +%s.%N) - $t0" | bc)
  if [ -n "$start" ]; then
    end=$(sql -c "select pg_current_wal_insert_lsn()")
    sql -c "insert into bench_marker default values" -c "checkpoint"
  fi
  sql -c "insert into bench_meta values ('$w', 'public.$tbl', $n, nullif('$start','')::pg_lsn, nullif('$end','')::pg_lsn, $load, pg_table_size('$tbl'))
          on conflict (workload) do update set tbl = excluded.tbl, expect = excluded.expect, start_lsn = excluded.start_lsn,
          end_lsn = excluded.end_lsn, load_s = excluded.load_s, table_bytes = excluded.table_bytes"
  sql -F ' ' -c "select workload, tbl, expect, start_lsn, end_lsn, load_s, pg_size_pretty(table_bytes), pg_size_pretty(end_lsn - start_lsn) from bench_meta where workload = '$w'"
done
