// Opens the page in a browser, changes orders, and looks whether the page shows what the database has: also what was changed while
// the service was away.
import { readFileSync } from "node:fs";
import pg from "pg";
import { eventually, launch } from "../browser.mjs";

const [page_url] = process.argv.slice(2);
const db = new pg.Client();
await db.connect();
const browser = await launch();
const page = await browser.newPage();
await page.goto(`${page_url}?rowfeed=${encodeURIComponent(process.env.ROWFEED_SERVER)}`);

const state = () => page.textContent("#state");
const shown = () => page.$$eval("#orders tr", (rows) => rows.map((row) => [...row.cells].slice(0, 4).map((cell) => cell.textContent)));
const changes = () => page.$$eval("#orders .changes", (cells) => cells.reduce((sum, cell) => sum + Number(cell.textContent), 0));
async function pageShowsTheTable(when) {
  const { rows } = await db.query({ text: "select id::text, customer, status, total::text from orders order by id", rowMode: "array" });
  const sorted = async () => (await shown()).sort((a, b) => a[0] - b[0]);
  await eventually(sorted, (found) => JSON.stringify(found) === JSON.stringify(rows), `the page to show ${JSON.stringify(rows)}`);
  console.log(`${when}: the page shows ${rows.length} orders, ${await changes()} changes`);
}

await db.query("insert into orders (id, customer, total) select n, 'customer ' || n, n * 10 from generate_series(1, 5) n");
await pageShowsTheTable("five orders are placed");
await eventually(state, (text) => text === "live", "the page to be live");
await db.query("update orders set status = 'paid' where id <= 3");
await db.query("delete from orders where id = 5");
await pageShowsTheTable("three are paid, one is deleted");
const before = await changes();

if (process.env.SERVICE_PID_FILE) {
  process.kill(Number(readFileSync(process.env.SERVICE_PID_FILE, "utf8")), "SIGKILL");
  await db.query("update orders set status = 'shipped' where id <= 2");
  await eventually(state, (text) => text === "connecting", "the page to lose its stream");
  await db.query("insert into orders (id, customer, total) values (6, 'customer 6', 60)");
  await pageShowsTheTable("rowfeed was killed and is back");
  // Each change came once: two orders were shipped, one was placed.
  if ((await changes()) !== before + 3) throw new Error(`${await changes()} changes are shown, and there were ${before + 3}`);
}
if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
await browser.close();
await db.end();
