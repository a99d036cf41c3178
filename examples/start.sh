#!/usr/bin/env bash
# start.sh EXAMPLE  - makes the example's database and tables on your PostgreSQL (wal_level = logical) and runs rowfeed with the
# example's connector in the foreground. Ctrl-C ends it; started again it goes on where it was. See env.sh for where PostgreSQL is.
set -euo pipefail
. "$(dirname "$0")/env.sh"
use_example "${1:?which example?}"
unset ROWFEED_SERVER
psql -XAtq -d postgres -c "select 1 from pg_database where datname = '$PGDATABASE'" | grep -q 1 || createdb "$PGDATABASE"
PGOPTIONS="-c client_min_messages=warning" psql -Xq -v ON_ERROR_STOP=1 -f "$here/schema.sql"
rowfeed=$(PATH=$PATH:$root/target/release:$root/target/debug command -v rowfeed) || { echo "build it first: cargo build --release" >&2; exit 2; }
settings=("--connectors" "$here/connectors" "--data" "$root/.cache/examples/data/$example")
if [ -e "$here/rowfeed.toml" ]; then settings+=("--config" "$here/rowfeed.toml"); fi
exec "$rowfeed" run "${settings[@]}"
