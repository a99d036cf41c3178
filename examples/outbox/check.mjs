// Two users have the page open. Each sees what is told to them, by either way, and nothing else; also what was told while the service
// was away.
import { readFileSync } from "node:fs";
import pg from "pg";
import { eventually, launch } from "../browser.mjs";

const [page_url] = process.argv.slice(2);
const db = new pg.Client();
await db.connect();
const { rows: [{ first }] } = await db.query("select coalesce(max(id), 0) + 1 as first from orders");
await db.query("insert into orders select $1::int + n, 42 - n % 2 from generate_series(0, 5) n", [first]); // 42, 41, 42, ...

const browser = await launch();
async function open(user) {
  const page = await browser.newPage();
  await page.goto(`${page_url}?user=${user}`);
  const texts = () => page.$$eval("#notifications li", (items) => items.map((item) => item.lastChild.textContent));
  return async (wanted) => {
    await eventually(texts, (found) => wanted.every((text, n) => found[n] === text), `user ${user} to see ${wanted}`);
    console.log(`user ${user} sees: ${wanted.join(", ")}`);
    return texts();
  };
}
const [sees42, sees41] = [await open(42), await open(41)];

await db.query(`call ship(${first})`);
await sees42([`Order ${first} is on its way`]);
await db.query(`call cancel(${first + 1})`);
await sees41([`Order ${first + 1} is cancelled`]);
await db.query("begin");
await db.query(`call ship(${first + 2})`);
await db.query("rollback"); // Nobody hears of it.
await db.query(`call cancel(${first + 2})`);
await sees42([`Order ${first + 2} is cancelled`, `Order ${first} is on its way`]);

if (process.env.SERVICE_PID_FILE) {
  process.kill(Number(readFileSync(process.env.SERVICE_PID_FILE, "utf8")), "SIGKILL");
  console.log("rowfeed is killed");
  await db.query(`call ship(${first + 4})`);
  await db.query(`call ship(${first + 3})`);
}
const last = process.env.SERVICE_PID_FILE ? [`Order ${first + 4} is on its way`] : [];
const all = await sees42([...last, `Order ${first + 2} is cancelled`, `Order ${first} is on its way`]);
if (last.length) await sees41([`Order ${first + 3} is on its way`, `Order ${first + 1} is cancelled`]);
if (new Set(all).size !== all.length || all.some((text) => text.includes(`Order ${first + 1} `))) throw new Error(`user 42 sees ${all}`);
await browser.close();
await db.end();
