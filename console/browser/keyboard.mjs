// The console by keyboard alone: on each page Tab goes to all there is to use, the focus is seen wherever it is, and nothing holds it.
// One theme: what is seen of the focus is a colour of both, and axe looks at those.

/** Presses of Tab beyond the controls that were there: lists move while one walks. */
const MORE = 60;
/** What a long list makes of it. */
const CONTROLS_MAX = 400;

const WALKED = [
  ...["overview", "connectors", "connector", "connector-tables", "connector-snapshot", "connector-offsets", "connector-config", "connector-check"],
  ...["wizard", "wizard-tables", "wizard-review", "topics", "topic", "topic-schema", "topic-consumers", "topic-settings", "record"],
  ...["groups", "group", "subscriptions", "subscription-new", "deliveries", "cache-key", "slots-full", "settings", "tokens", "api"],
];

/** `of` are the pages that the other files visit: the walk needs their addresses, and what has to be set up there. How they look is seen there. */
export function KEYBOARD(of) {
  const walked = WALKED.map((name) => ({ ...of.find((page) => page.name === name), name: `keyboard-${name}`, then: walks }));
  const done = [
    { name: "keyboard-rows", path: "/ui/topics", ready: "tbody tr", then: rows },
    { name: "keyboard-deletes", path: "/ui/settings?tab=tokens", ready: "tbody tr, .empty", then: deletes },
  ];
  return [...walked, ...done].map((one) => ({ ...one, themes: ["light"], looks: false }));
}

/** Marks what can be used now; a group of radio buttons is one stop. */
function mark() {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter(
    (one) =>
      !one.disabled &&
      one.tabIndex >= 0 &&
      one.checkVisibility({ visibilityProperty: true }) &&
      !(one.type === "radio" && !one.checked && document.querySelector(`input[name="${one.name}"]:checked`)),
  );
  globalThis.wanted = new Map(all.map((one) => [one, false]));
  return all.length;
}

/** Where the focus is, and whether it is seen: an outline that is drawn, within the window, nothing before it. */
function look() {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  if (globalThis.wanted.has(one)) globalThis.wanted.set(one, true);
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const isWithin = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const [x, y] = [Math.min(Math.max(box.left + Math.min(box.width, 40) / 2, 1), innerWidth - 1), Math.min(Math.max(box.top + Math.min(box.height, 30) / 2, 1), innerHeight - 1)];
  const front = document.elementFromPoint(x, y);
  const isCovered = front !== null && !one.contains(front) && !front.contains(one);
  return {
    says: `<${one.tagName.toLowerCase()}> "${(one.getAttribute("aria-label") ?? one.innerText ?? one.id).trim().replace(/\s+/g, " ").slice(0, 50)}"`,
    isFirst: one.matches(".skip"),
    isSeen: (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || one.matches(".skip"),
    isWithin,
    isCovered,
  };
}

async function walks(page, fail) {
  // Lists that come later belong to the page, too.
  await page.waitForTimeout(500);
  const count = await page.evaluate(mark);
  if (count > CONTROLS_MAX) fail(`${count} controls are on the page`);
  await page.evaluate(() => document.activeElement?.blur());
  console.log(`  – ${count} controls`);
  let [presses, firsts] = [0, 0];
  const [unseen, outside] = [new Set(), new Set()];
  for (const most = count + MORE; presses < most && firsts < 2; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(look);
    if (at?.isFirst) firsts += 1;
    if (at && !at.isSeen) unseen.add(at.says);
    if (at && (!at.isWithin || at.isCovered)) outside.add(`${at.says}${at.isCovered ? " (covered)" : ""}`);
  }
  const missed = await page.evaluate(() =>
    [...globalThis.wanted].filter(([one, isReached]) => !isReached && one.isConnected && one.checkVisibility({ visibilityProperty: true })).map(([one]) => one.outerHTML.slice(0, 120)),
  );
  if (missed.length > 0) fail(`Tab does not reach ${missed.length} of ${count}: ${missed.slice(0, 4).join(" | ")}`);
  if (firsts < 2) fail(`Tab does not come round within ${presses} presses`);
  for (const [what, says] of [["the focus is not seen on", unseen], ["the focus is out of sight on", outside]]) if (says.size > 0) fail(`${what} ${[...says].slice(0, 4).join(", ")}`);
  await back(page, fail);
}

/** Shift-Tab goes the same way back. */
async function back(page, fail) {
  const here = () => page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200));
  const way = [];
  await page.locator(".skip").focus();
  for (let i = 0; i < 5; i += 1) {
    way.push(await here());
    await page.keyboard.press("Tab");
  }
  for (const was of way.reverse()) {
    await page.keyboard.press("Shift+Tab");
    if ((await here()) !== was) return fail("Shift-Tab does not go back the way that Tab came");
  }
  // The skip link lies over the header while it has the focus.
  await page.locator(".skip").blur();
}

/** Rows without the pointer: / to the filter, Esc out of it, j and k along the rows, Enter opens. */
async function rows(page, fail) {
  const at = (selector) => page.evaluate((css) => document.activeElement?.matches(css) ?? false, selector);
  await page.keyboard.press("/");
  if (!(await at("[data-filter]"))) fail("/ does not go to the filter");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  const first = await page.evaluate(() => document.activeElement?.textContent);
  if (!(await at("tbody tr:nth-child(1) *"))) fail("j does not go to the first row");
  await page.keyboard.press("j");
  if (!(await at("tbody tr:nth-child(2) *"))) fail("j does not go to the second row");
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await page.waitForSelector(`h1:text-is("${first}")`, { timeout: 20_000 }).catch(() => fail("Enter does not open the row"));
  if (!(await at("h1"))) fail("the heading of the page that was gone to does not have the focus");
}

const TOKENS = "/v1/tokens";

/** A row is deleted by keys alone; the dialog holds the focus while it is open, and the list has it afterwards. */
async function deletes(page, fail) {
  const name = `keys-${Date.now()}`;
  const made = await page.request.post(new URL(TOKENS, page.url()).href, { data: { name, scopes: ["read:metrics"] }, headers: { "X-Requested-With": "rowfeed" } });
  if (!made.ok()) return fail(`no token is made: ${made.status()}`);
  await page.reload();
  const button = page.getByRole("button", { name: `Revoke ${name} …` });
  await button.focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  for (let i = 0; i < 8; i += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement !== document.body && !document.activeElement?.closest("dialog"))) fail("Tab leaves the dialog for the page behind it");
  }
  await page.keyboard.press("Escape");
  // The browser gives the focus back before the page knows that the dialog is closed.
  await page.waitForSelector("dialog", { state: "detached" });
  if (!(await button.evaluate((one) => one === document.activeElement))) fail("Esc does not give the focus back to the button");
  await page.keyboard.press("Enter");
  // It is open once it has the focus: before, the button takes none.
  await page.waitForSelector("dialog[open]");
  await page.locator("dialog .danger").focus();
  await page.keyboard.press("Enter");
  await button.waitFor({ state: "detached", timeout: 20_000 }).catch(() => fail("the row does not go"));
  await page.waitForTimeout(100);
  const left = await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 80) ?? "");
  if (left.startsWith("<body")) fail("with the row the focus went, too");
}
