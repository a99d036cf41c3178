#!/usr/bin/env bash
# Three people change accounts; the log tells afterwards who changed what.
set -euo pipefail
. "$(dirname "$0")/../env.sh"
wait_until_captured bank

psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
delete from accounts;
begin;
set local app.who = 'mia';
insert into accounts values (1, 'Ada', 100), (2, 'Grace', 250);
commit;
begin;
set local app.who = 'tom';
update accounts set credit_limit = 9000 where id = 1;
commit;
begin;
set local app.who = 'mallory';
update accounts set owner = 'Mallory' where id = 2;
rollback;
-- By hand, past the application.
update accounts set credit_limit = 100 where id = 1;
delete from accounts where id = 2;
SQL

# What the log says of it: these changes and no others, as it is written in expected.txt.
as_expected() { ./audit.py --no-times | tail -n "$(wc -l < expected.txt)" | sed "s/role $PGUSER/role postgres/" | cmp -s expected.txt; }
eventually 30 as_expected
./audit.py | tail -n "$(wc -l < expected.txt)"
echo "account 1 alone:"
./audit.py --row 1 | tail -n 3
# The same with kcat and jq.
if command -v kcat jq >/dev/null; then
  kcat -q -b "$KAFKA_BOOTSTRAP" -C -t bank.public.accounts -o beginning -e |
    jq -c 'select(.op == "u" and .before.credit_limit != .after.credit_limit) | [.after.id, .before.credit_limit, .after.credit_limit]'
fi
