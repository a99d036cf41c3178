// The pages that are visited. A page: `name` (of its screenshots), `path` (or a function of the base URL that finds one, null where there is
// nothing to show), `ready` (a selector that is there when it is drawn), `before(page)` (what to set up), `then(page, fail)` (what to do and see there), `mayLog` (texts on the
// browser's console that are no failure).

/** The first of a list of the API, as a page's path. */
const first = (list, path) => async (base) => {
  const answer = await fetch(new URL(list, base), { headers: { accept: "application/json" } });
  const { items = [] } = answer.ok ? await answer.json() : {};
  const one = items.find((item) => !item.internal && (item.records === undefined || item.records > 0));
  return one ? path(one) : null;
};
const name = (text) => encodeURIComponent(text);

export const PAGES = [
  { name: "overview", path: "/ui/", ready: ".tiles", then: overview },
  { name: "connectors", path: "/ui/connectors", ready: "tbody tr, .empty", then: pauses },
  { name: "palette", path: "/ui/connectors", ready: "tbody tr, .empty", then: palette },
  { name: "shortcuts", path: "/ui/", ready: ".tiles", then: shortcuts },
  { name: "wizard", path: "/ui/connectors/new" },
  { name: "connector", path: first("/v1/connectors", (one) => `/ui/connectors/${name(one.name)}`) },
  { name: "topics", path: "/ui/topics" },
  { name: "topic", path: first("/v1/topics", (one) => `/ui/topics/${name(one.name)}`) },
  { name: "record", path: first("/v1/topics", (one) => `/ui/topics/${name(one.name)}/0/${one.partitions[0].start}`) },
  { name: "groups", path: "/ui/groups" },
  { name: "subscriptions", path: "/ui/subscriptions" },
  { name: "slots", path: "/ui/slots" },
  { name: "settings", path: "/ui/settings" },
  { name: "api", path: "/ui/api" },
  { name: "not-found", path: "/ui/no/such/page" },
];

async function overview(page, fail) {
  await page.waitForSelector(".ticker tbody tr", { timeout: 5000 }).catch(() => console.log("  – no changes came"));
  if ((await page.locator(".tiles li").count()) !== 4) fail("there are not four tiles");
}

/** The dialog opens, says what happens, and gives the focus back. */
async function pauses(page, fail) {
  const pause = page.locator("tbody button", { hasText: "Pause" }).first();
  if ((await pause.count()) === 0) return;
  await pause.click();
  await page.waitForSelector("dialog[open]");
  await page.locator("dialog summary").click();
  const text = await page.locator("dialog").innerText();
  if (!text.includes("rowfeed connectors pause")) fail("the dialog does not show the command");
  await page.keyboard.press("Escape");
  if (!(await pause.evaluate((button) => button === document.activeElement))) fail("the focus does not come back to the button");
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
