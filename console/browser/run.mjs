// Visits each page of the console in a real browser, in both themes, and fails on what must not be: serious or critical findings of
// axe-core, requests of another origin, a second WebSocket, errors on the page's console, a page that is wider than its window.
//
//   node browser/run.mjs BASE_URL [SHOTS_FOLDER] [PAGE ...]        node browser/run.mjs http://127.0.0.1:8083 shots overview topics
//
// BASE_URL is the program's own, or that of `npm run preview`. Pages are in pages.mjs: add yours there. CHROMIUM names another browser.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { KEYBOARD } from "./keyboard.mjs";
import { PAGES } from "./pages.mjs";
import { REST } from "./rest.mjs";
import { STATES } from "./states.mjs";
import { TROUBLES } from "./troubles.mjs";
import { watch } from "./watch.mjs";

const [base, shots, ...only] = process.argv.slice(2);
if (!base) {
  console.error("say which service: node browser/run.mjs http://127.0.0.1:8083 [SHOTS_FOLDER] [PAGE ...]");
  process.exit(2);
}
if (shots) mkdirSync(shots, { recursive: true });

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const THEMES = ["light", "dark"];
/** A 1280 px wide window at 100 % and at 200 %. */
const SIZES = [
  { name: "", width: 1280, height: 900 },
  { name: "-zoomed", width: 640, height: 450 },
];
const PAGE_MS_MAX = 30_000;

const failures = [];
const fail = (where, what) => {
  failures.push(`${where}: ${what}`);
  console.error(`  ✗ ${what}`);
};

/** Findings that count, each with the element it is about. */
async function findings(page) {
  // Injected past the content security policy, which is what a test may do.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  return violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => `axe ${one.id} (${one.impact}): ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
}

/** Within the page: how many WebSockets it had at once. One that was lost is over. */
function countSockets() {
  const all = [];
  globalThis.socketsMost = 0;
  globalThis.WebSocket = class extends WebSocket {
    constructor(...asked) {
      super(...asked);
      all.push(this);
      globalThis.socketsMost = Math.max(globalThis.socketsMost, all.filter((one) => one.readyState <= WebSocket.OPEN).length);
    }
  };
}

async function visit(browser, one, theme) {
  const context = await browser.newContext({ colorScheme: theme, viewport: SIZES[0], reducedMotion: "reduce", locale: "en-GB" });
  const page = await context.newPage();
  const where = `${one.name} ${theme}`;
  console.log(where);
  watch(page, base, (what) => fail(where, what), one.mayLog);
  try {
    const path = typeof one.path === "function" ? await one.path(base) : one.path;
    if (path === null) {
      console.log("  – nothing there to show");
      return;
    }
    await one.before?.(page);
    await page.addInitScript(countSockets);
    await page.goto(new URL(path, base).href, { timeout: PAGE_MS_MAX });
    await page.waitForSelector("main h1", { timeout: PAGE_MS_MAX });
    if (one.ready) await page.waitForSelector(one.ready, { timeout: PAGE_MS_MAX });
    await one.then?.(page, (what) => fail(where, what));
    const sockets = await page.evaluate(() => globalThis.socketsMost);
    if (sockets > 1) fail(where, `${sockets} WebSockets at once`);
    const headings = await page.locator("h1").count();
    if (headings !== 1) fail(where, `${headings} h1, not one`);
    if (!(await page.title()).endsWith("rowfeed")) fail(where, `the tab is called "${await page.title()}"`);
    if (one.looks === false) return;
    for (const finding of await findings(page)) fail(where, finding);
    for (const size of SIZES) {
      await page.setViewportSize(size);
      await page.waitForTimeout(150);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) fail(where, `${over} px wider than a window of ${size.width} px`);
      if (shots) await page.screenshot({ path: join(shots, `${one.name}-${theme}${size.name}.png`), fullPage: size.name === "" });
    }
  } catch (error) {
    fail(where, error.message.split("\n").slice(0, 3).join(" "));
  } finally {
    await context.close();
    await one.after?.(base);
  }
}

const VISITED = [...PAGES, ...REST, ...STATES, ...TROUBLES];
const ALL = [...VISITED, ...KEYBOARD(VISITED)];
const unknown = only.filter((name) => !ALL.some((one) => one.name === name));
if (unknown.length > 0) {
  console.error(`no page ${unknown.join(", ")}: there are ${ALL.map((one) => one.name).join(", ")}`);
  process.exit(2);
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  for (const one of ALL.filter((page) => only.length === 0 || only.includes(page.name))) {
    for (const theme of one.themes ?? THEMES) await visit(browser, one, theme);
  }
} finally {
  await browser.close();
}
console.log(failures.length === 0 ? "all well" : `${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);
