// The pages that are visited. A page: `name` (of its screenshots), `path` (or a function of the base URL that finds one, null where there is
// nothing to show), `ready` (a selector that is there when it is drawn), `before(page)` (what to set up), `then(page, fail)` (what to do and see there), `after(base)` (what to clear away), `mayLog` (texts on the
// browser's console that are no failure), `themes` where one is enough, `looks: false` where axe-core and the sizes have seen it elsewhere.

import { CONNECTOR_PAGES } from "./connector-pages.mjs";
import { TOPIC_PAGES } from "./topics.mjs";

/** The first of a list of the API, as a page's path. */
const first = (list, path, is = () => true) => async (base) => {
  const answer = await fetch(new URL(list, base), { headers: { accept: "application/json" } });
  const { items = [] } = answer.ok ? await answer.json() : {};
  const one = items.find((item) => is(item) && !item.internal && (item.records === undefined || item.records > 0));
  return one ? path(one) : null;
};
const name = (text) => encodeURIComponent(text);

export const PAGES = [
  { name: "overview", path: "/ui/", ready: ".tiles", then: overview },
  { name: "connectors", path: "/ui/connectors", ready: "tbody tr, .empty", then: pauses },
  { name: "pausing", path: "/ui/connectors", ready: "tbody tr, .empty", then: pausesAndResumes },
  { name: "going", path: "/ui/", ready: ".tiles", then: going },
  { name: "shared-cursor", path: "/ui/", ready: ".plot", then: sharedCursor },
  { name: "keys", path: "/ui/connectors", ready: "tbody tr", then: keys },
  { name: "palette", path: "/ui/connectors", ready: "tbody tr, .empty", then: palette },
  { name: "shortcuts", path: "/ui/", ready: ".tiles", then: shortcuts },
  ...CONNECTOR_PAGES,
  ...TOPIC_PAGES(name, first),
  { name: "not-found", path: "/ui/no/such/page" },
];

/** Tiles, charts with their tables, problems with their fixes, the choices that are kept. */
async function overview(page, fail) {
  await page.waitForSelector(".ticker tbody tr", { timeout: 20_000 }).catch(() => console.log("  – no changes came"));
  if ((await page.locator(".tiles li").count()) !== 4) fail("there are not four tiles");
  await page.click("text=1 h");
  if (!page.url().includes("range=1h")) fail("the range is not in the address");
  await page.waitForSelector(".chart-table summary");
  for (const summary of await page.locator(".chart-table summary, .trouble summary, .as-command summary").all()) await summary.click();
  await page.waitForSelector(".chart-table tbody tr").catch(() => fail("the chart has no table"));
  await page.click("text=Local time");
  const kept = await page.evaluate(() => localStorage.getItem("rowfeed.zone"));
  if (kept !== "utc") fail("the zone is not kept");
}

/** The dialog opens, says what happens, and gives the focus back. */
async function pauses(page, fail) {
  const pause = page.locator("tbody button", { hasText: "Pause" }).first();
  if ((await pause.count()) === 0) return;
  await pause.click();
  await page.waitForSelector("dialog[open]");
  if (!(await page.locator("dialog .primary").evaluate((button) => button === document.activeElement))) fail("the focus is not on the button that does it");
  await page.locator("dialog summary").click();
  const text = await page.locator("dialog").innerText();
  if (!text.includes("rowfeed connectors pause")) fail("the dialog does not show the command");
  await page.keyboard.press("Escape");
  if (!(await pause.evaluate((button) => button === document.activeElement))) fail("the focus does not come back to the button");
}

/** Pausing and resuming for real; the state follows by itself, and the toast tells. */
async function pausesAndResumes(page, fail) {
  const row = page.locator("tbody tr", { has: page.locator(".state.ok") }).first();
  if ((await row.count()) === 0) return;
  const name = await row.locator("th a").innerText();
  const own = page.locator("tbody tr", { has: page.locator(`th a:text-is("${name}")`) });
  await own.locator("button", { hasText: "Pause" }).click();
  await page.locator("dialog .primary").click();
  await page.waitForSelector(`.toast.ok:has-text("${name} is paused")`, { timeout: 20_000 }).catch(() => fail("no toast tells of the pause"));
  if (await page.evaluate(() => document.activeElement === document.body)) fail("the focus is lost with the dialog");
  await own.locator(".state", { hasText: "paused" }).waitFor({ timeout: 20_000 }).catch(() => fail("the state does not become paused"));
  await own.locator("button", { hasText: "Resume" }).click();
  await own.locator(".state.ok").waitFor({ timeout: 20_000 }).catch(() => fail("it does not go on"));
}

/** Links go without loading the page anew, to the heading; Back comes back; a link that is opened elsewhere stays the browser's. */
async function going(page, fail) {
  await page.evaluate(() => (globalThis.isSame = true));
  await page.click("header nav >> text=Topics");
  await page.waitForSelector('h1:text-is("Topics")').catch(() => fail("a link does not lead to the topics"));
  if (!(await page.evaluate(() => document.activeElement?.matches("h1")))) fail("the heading does not get the focus");
  await page.goBack();
  await page.waitForSelector(".tiles").catch(() => fail("Back does not come back"));
  const [other] = await Promise.all([page.context().waitForEvent("page"), page.click("header nav >> text=Topics", { modifiers: ["ControlOrMeta"] })]);
  await other.close();
  if (new URL(page.url()).pathname !== "/ui/") fail("a link that was opened elsewhere changed this page, too");
  if (!(await page.evaluate(() => globalThis.isSame))) fail("the page was loaded anew");
}

/** The pointer over one chart shows the values of that time in both. */
async function sharedCursor(page, fail) {
  const chart = page.locator(".plot").first();
  const box = await chart.boundingBox();
  await chart.hover({ position: { x: box.width * 0.95, y: box.height / 2 } });
  const lines = await page.locator(".plot .plot-cursor").count();
  if (lines !== (await page.locator(".plot").count())) fail(`${lines} charts show the cursor`);
  await page.mouse.move(0, 0);
  if ((await page.locator(".plot .plot-cursor").count()) > 0) fail("the cursor stays when the pointer is gone");
}

/** j goes to the first row, Enter opens it, Back comes back. / goes to the filter, which is in the address. */
async function keys(page, fail) {
  await page.keyboard.press("j");
  const isLink = await page.evaluate(() => document.activeElement?.closest("tbody th") !== null);
  if (!isLink) fail("j does not go to the first row");
  await page.keyboard.press("/");
  await page.keyboard.type("no such name");
  await page.waitForSelector(".empty").catch(() => fail("the filter does not filter"));
  if (!page.url().includes("q=no+such+name")) fail(`the filter is not in the address: ${page.url()}`);
}

/** Ctrl-K finds the way to a topic with the keyboard alone. */
async function palette(page, fail) {
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog.palette[open]");
  await page.keyboard.type("topics");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/ui/topics").catch(() => fail("the palette does not lead to the topics"));
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.waitForURL("**/ui/connectors").catch(() => fail("g c does not lead to the connectors"));
  await page.waitForSelector("tbody tr, .empty");
  await page.keyboard.press("Control+k");
  await page.waitForSelector("dialog.palette[open] li");
}

async function shortcuts(page, fail) {
  await page.keyboard.press("?");
  await page.waitForSelector("dialog[open]").catch(() => fail("? does not list the shortcuts"));
}
