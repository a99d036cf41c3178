#!/usr/bin/env bash
# Searches, changes products, and searches again: the index follows, also what changed while rowfeed was away.
set -euo pipefail
. "$(dirname "$0")/../env.sh"
export SEARCH_URL=${SEARCH_URL:-http://127.0.0.1:9200}
wait_until_captured catalog

# finds WORDS NAMES: what a search finds, in any order.
found() { [ "$(./search.py "$1" 2>/dev/null | sed 's/,.*//' | sort | paste -sd ,)" = "$2" ]; }
finds() {
  eventually 60 found "$1" "$2"
  echo "\"$1\" finds: ${2:-nothing}"
}
# Every row has its document, and no other has one.
indexed() { [ "$(curl -fsS "$SEARCH_URL/products/_count" | jq .count)" = "$(sql 'select count(*) from products')" ]; }

sql "delete from products where id > 3"
sql "insert into products values (1, 'Red lamp', 'A lamp for the desk', 19.50), (3, 'Blue lamp', 'A lamp for the wall', 29) on conflict (id) do update set name = excluded.name"
finds lamp "Blue lamp,Red lamp"
sql "update products set name = 'Red lantern', description = 'It glows' where id = 1"
finds lamp "Blue lamp"
finds lantern "Red lantern"
sql "delete from products where id = 3"
finds lamp ""
kill_rowfeed
sql "insert into products select n, 'Sofa ' || n, 'A sofa', n from generate_series(1001, 4000) n"
sql "insert into products values (4, 'Old lamp', 'A lamp for the attic', 5)"
sql "update products set name = 'New lamp' where id = 4"
finds lamp "New lamp"
eventually 60 indexed
echo "$(sql 'select count(*) from products') rows, as many documents"
./search.py lamp
