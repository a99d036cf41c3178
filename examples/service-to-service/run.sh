#!/usr/bin/env bash
# Orders are placed and shipped while each of the three is killed: the order service, the shipping service, rowfeed.
set -euo pipefail
. "$(dirname "$0")/../env.sh"
placing="" shipping=""
trap 'kill_hard "$placing"; kill_hard "$shipping"' EXIT
wait_until_captured store
before=$(sql 'select count(*) from orders')
orders=$((before + ${1:-1500}))

start_orders() { node orders.mjs "$orders" & placing=$!; }
start_shipping() { ./shipping.py & shipping=$!; }
start_shipping
start_orders
for step in 1 2; do
  eventually 30 true_in_sql "count(*) >= $((before + 200 * step)) from orders"
  echo "the order service is killed with $(sql 'select count(*) from orders') orders placed"
  kill_hard $placing
  start_orders
  eventually 30 true_in_sql "count(*) >= $((before + 200 * step)) from shipping.shipments"
  echo "the shipping service is killed with $(sql 'select count(*) from shipping.shipments') orders shipped"
  kill_hard $shipping
  start_shipping
done
kill_rowfeed
eventually 60 true_in_sql "count(*) >= $orders from orders"
eventually 60 true_in_sql "count(*) >= $orders from shipping.shipments"

check() {
  sql "select count(*) || ' orders, ' || (select count(*) from shipping.shipments) || ' shipments, ' ||
         (select coalesce(sum(deliveries - 1), 0) from shipping.events) || ' events came again' from orders"
  # Each order is shipped once, and nothing else is.
  true_in_sql "count(*) = 0 from (select id from orders except all select order_id from shipping.shipments) lost"
  true_in_sql "count(*) = 0 from (select order_id from shipping.shipments except all select id from orders) too_much"
}
check
echo "everything is read again by a new group"
kill_hard $shipping
GROUP=shipping-again-$$ start_shipping
eventually 60 true_in_sql "min(deliveries) > 1 from shipping.events"
check
