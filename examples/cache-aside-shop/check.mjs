// Prices change while customers look, at both shops, which share the cache. Behind the barrier no customer may see an older price.
import { readFileSync } from "node:fs";
import pg from "pg";

const shops = process.argv.slice(2);
const db = new pg.Client();
await db.connect();
const PRODUCTS = 5, CHANGES = 200, CUSTOMERS = 16;
await db.query("insert into products select n, 'product ' || n, 0 from generate_series(1, $1::int) n on conflict (id) do update set price = 0", [PRODUCTS]);

// What everybody must see by now: the price that was behind the barrier when they asked.
const price = Array(PRODUCTS + 1).fill(0);
let looks = 0, stale = 0;
let open = true;

async function barrier() {
  const { rows: [{ lsn }] } = await db.query("select pg_current_wal_insert_lsn() as lsn");
  for (const until = Date.now() + 60_000; ; ) {
    const answer = await fetch(`${process.env.ROWFEED_SERVER}/v1/subscriptions/cache/barrier?lsn=${lsn}&timeout=5s`).catch(() => null);
    if (answer?.ok) return;
    // It was killed and is not back yet.
    if (Date.now() > until) throw new Error(`the barrier answers ${answer?.status} ${await answer?.text()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function customer(n) {
  while (open) {
    const id = 1 + Math.floor(Math.random() * PRODUCTS);
    const expected = price[id];
    const answer = await fetch(`${shops[n % shops.length]}/products/${id}`);
    if (!answer.ok) throw new Error(`${answer.url} answers ${answer.status}`);
    const product = await answer.json();
    looks += 1;
    if (product.price < expected) {
      stale += 1;
      console.error(`${answer.url} shows ${product.price}; it was ${expected} before it was asked`);
    }
  }
}

await barrier();
const customers = Array.from({ length: CUSTOMERS }, (_, n) => customer(n));
for (let n = 1; n <= CHANGES; n++) {
  const id = 1 + (n % PRODUCTS);
  if (n === CHANGES / 2 && process.env.SERVICE_PID_FILE) {
    console.log("rowfeed is killed");
    process.kill(Number(readFileSync(process.env.SERVICE_PID_FILE, "utf8")), "SIGKILL");
  }
  await db.query("update products set price = $2 where id = $1", [id, n]);
  await barrier();
  price[id] = n;
}
open = false;
await Promise.all(customers);
let reads = 0;
for (const shop of shops) reads += (await (await fetch(`${shop}/reads`)).json()).reads;
console.log(`${CHANGES} changes of prices, ${looks} looks, ${reads} reads of the database, ${stale} stale`);
if (stale > 0 || reads > looks / 2) process.exit(1);
await db.end();
