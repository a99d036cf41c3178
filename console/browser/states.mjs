// States that a service is seldom in when the suite runs: no connector yet, a snapshot half done, slots that run full. The API's answers are
// changed on their way to the page.

export const STATES = [
  { name: "empty", path: "/ui/", ready: ".empty", before: (page) => change(page, () => []), then: teaches, mayLog: ["WebSocket"] },
  { name: "snapshotting", path: "/ui/connectors", ready: "[role=progressbar]", before: (page) => change(page, halfDone), then: tellsProgress, mayLog: NOT_FOUND() },
  { name: "resting", path: "/ui/", ready: ".tiles", before: (page) => change(page, atRest), then: tellsRest, mayLog: NOT_FOUND() },
  { name: "trouble", path: "/ui/", ready: ".troubles", before: (page) => change(page, inTrouble), then: tellsTrouble, mayLog: NOT_FOUND() },
];

/** Connectors that are not there have no series. */
function NOT_FOUND() {
  return ["WebSocket", "Failed to load resource"];
}

/** Answers with other connectors, made of the first that is there. */
async function change(page, make) {
  await page.routeWebSocket("**/v1/ws", (socket) => void socket.close({ code: 1008 }));
  await page.route("**/v1/connectors", async (route) => {
    const answer = await route.fetch();
    const { items } = await answer.json();
    await route.fulfill({ json: { items: make(items[0]), next_cursor: null } });
  });
}

async function teaches(page, fail) {
  const text = await page.locator(".empty").innerText();
  for (const part of ["Connect a database", "rowfeed check", "rowfeed demo"]) if (!text.includes(part)) fail(`nothing says "${part}"`);
}

function halfDone(one) {
  const snapshot = { ...one.snapshot, tables_total: 3, tables_done: 1, rows_done: 6_100, rows_estimated: 10_000, eta_seconds: 240 };
  const state_since = new Date(Date.now() - 250_000).toISOString();
  const billing = { ...one, name: "billing", state: "snapshot", target: "running", lag_ms: null, problem: null, failing_seconds: null, tables: 12, state_since, snapshot };
  return [billing, { ...billing, name: "unknown-size", tables: null, snapshot: { ...snapshot, rows_estimated: null, eta_seconds: null } }];
}

async function tellsProgress(page, fail) {
  const bar = page.locator("[role=progressbar]");
  if ((await bar.count()) !== 1) fail("a snapshot of unknown size has a bar");
  if ((await bar.getAttribute("aria-valuenow")) !== "61") fail(`the bar says ${await bar.getAttribute("aria-valuenow")}`);
  const text = await page.locator("tbody").innerText();
  for (const part of ["61 %", "~4 min left", "6,100 rows", "snapshot 4 min", "12", "–"]) if (!text.includes(part)) fail(`nothing says "${part}"`);
}

/** One that was paused and fills up, one with room, one of which nothing is known. */
function atRest(one) {
  const MIB = 1024 ** 2;
  const paused = { ...one, state: "paused", target: "paused", problem: null, warning: null, slot: "shop_slot", slot_retained_bytes: 394 * MIB, slot_safe_bytes: 630 * MIB };
  return [paused, { ...paused, name: "roomy", slot_safe_bytes: 8000 * MIB }, { ...paused, name: "unknown", slot_retained_bytes: null, slot_safe_bytes: null }];
}

async function tellsRest(page, fail) {
  const strip = page.locator(".troubles");
  await strip.waitFor({ timeout: 20_000 }).catch(() => fail("a slot that fills up is not told"));
  if ((await page.locator(".trouble:has-text('shop_slot')").count()) !== 1) fail("one with room, or an unknown one, is told, too");
  await page.locator(".trouble summary").first().click();
  if (!(await strip.innerText()).includes("394 MiB of WAL; 630 MiB more")) fail("what it holds is not told");
  if ((await strip.locator("a[href$='/slots']").count()) !== 1) fail("nothing leads to the slots");
}

function inTrouble(one) {
  const problem = { code: "pg/auth", what: "password authentication failed", at: "db:5432/crm", why: "28P01", fix: "correct database.password" };
  const bad = { ...one, state: "waiting", target: "running", failing_seconds: 720, problem, slot: "crm_slot", slot_retained_bytes: 4_509_715_660, slot_safe_bytes: 4_080_218_932 };
  return Array.from({ length: 7 }, (_, i) => ({ ...bad, name: i === 0 ? "crm" : `crm-${i}` }));
}

async function tellsTrouble(page, fail) {
  const first = await page.locator(".trouble summary").first().innerText();
  for (const part of ["crm", "password authentication failed", "12 min", "Slot crm_slot holds 4.2 GiB"]) if (!first.includes(part)) fail(`the strip does not say "${part}"`);
  if ((await page.locator(".trouble").count()) !== 5) fail("more than five problems are shown");
  if (!/[1-9]\d* more problems/.test(await page.locator(".troubles").innerText())) fail("the rest is not counted");
  const tiles = await page.locator(".tiles").innerText();
  for (const part of ["12 min", "4.2 GiB of 8 GiB"]) if (!tiles.includes(part)) fail(`the tiles do not say "${part}"`);
  if (!(await page.title()).startsWith("7 in trouble")) fail(`the tab is called ${await page.title()}`);
}
