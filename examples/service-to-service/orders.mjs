// The order service: places orders until there are so many. An order and the event that tells of it are one transaction, so there is
// never one without the other, whenever this process is killed.
//   node orders.mjs 1000
import pg from "pg";

const wanted = Number(process.argv[2] ?? 100);
const db = new pg.Client(); // PGHOST, PGPORT, ...
await db.connect();

async function placeOrder(customer, total) {
  await db.query("begin");
  const { rows: [order] } = await db.query("insert into orders (customer, total) values ($1, $2) returning *", [customer, total]);
  await db.query("insert into outbox (aggregatetype, aggregateid, type, payload) values ('orders', $1, 'OrderPlaced', $2)", [order.id, order]);
  await db.query("commit");
}

const { rows: [{ placed }] } = await db.query("select count(*)::int as placed from orders");
for (let n = placed; n < wanted; n++) {
  await placeOrder(`customer-${n % 50}`, (n % 90) + 10);
}
await db.end();
