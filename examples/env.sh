# Where things are, for the scripts of the examples. Sourced, not run; what is set already stays as it is.
#   PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE   your PostgreSQL, as psql knows it; the database is named as the example
#   ROWFEED_SERVER, KAFKA_BOOTSTRAP                  rowfeed's HTTP and Kafka ports
# The functions are for those who try the examples by script: a fact is waited for, never slept for.
folder=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
use_example() {
  example=$1 here=$root/examples/$1
  export PGHOST=${PGHOST:-127.0.0.1} PGPORT=${PGPORT:-5432} PGUSER=${PGUSER:-postgres} PGPASSWORD=${PGPASSWORD:-postgres}
  export PGDATABASE=${PGDATABASE:-${example//-/_}}
  export ROWFEED_SERVER=${ROWFEED_SERVER:-http://127.0.0.1:8083} KAFKA_BOOTSTRAP=${KAFKA_BOOTSTRAP:-127.0.0.1:9092}
}
if [ "$folder" != "$root/examples" ]; then
  use_example "$(basename "$folder")"
  cd "$here"
  "$root/scripts/get_examples.sh"
  PATH=$root/examples/python/bin:$PATH
fi

# One value of the database.
sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }
# eventually SECONDS COMMAND...: runs it until it succeeds.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $until ] || { echo "waited in vain for: $*" >&2; return 1; }
    sleep 0.1
  done
}
# true_in_sql CONDITION
true_in_sql() { [ "$(sql "select $1" 2>&1)" = t ]; }
# Waits until the connector reads its slot: what is written from now on is captured as it happens, not found by the snapshot.
wait_until_captured() {
  eventually 60 true_in_sql "exists (select from pg_replication_slots where slot_name = '$1_slot' and active and confirmed_flush_lsn is not null)"
}
# Kills a program of this script as a power failure would.
kill_hard() { kill -9 "$1" 2>/dev/null && wait "$1" 2>/dev/null || true; }
# Kills the service as a power failure would, where something starts it again (the tests do; systemd does with Restart=).
kill_rowfeed() {
  if [ -n "${SERVICE_PID_FILE:-}" ]; then
    echo "rowfeed is killed"
    kill -9 "$(cat "$SERVICE_PID_FILE")"
  fi
}
