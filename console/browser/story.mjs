// Plays one of the stories a person has, from `/ui/` on, by what a person sees: roles, labels, texts. It fails where a step cannot be done, on
// requests of another origin and on errors of the page.
//
//   node browser/story.mjs NAME BASE_URL [SHOTS_FOLDER] [JSON]        JSON: what the story must know of the world
//
// A story is a file of stories/: its default export gets
//   page        Playwright's, at /ui/; a locator waits PATIENCE_MS
//   hand        press, tick, fill: with the mouse or the keyboard (hands.mjs)
//   known       the JSON
//   step        step("what the person does", async () => ...): named when it fails
//   sees        sees(locator, ...): waits until each is shown
//   ask         await ask("word", value): whoever started this changes the world, and answers with a value
//   shot        shot("name"): a screenshot in both themes, where there is a folder
// and its exports `hands` (["mouse"] where there is none) and `mayLog` (parts of what may stand on the browser's console) are heeded. It is played
// once by each hand, so it begins by asking for the world it needs.
//
// `ask` prints `ask: WORD JSON` and reads `done JSON`. CHROMIUM names another browser.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { HANDS } from "./hands.mjs";
import { watch } from "./watch.mjs";

/** How long a person waits for what should come. */
const PATIENCE_MS = 30_000;
/** What the world may take to change: a service to start on a machine that is busy. */
const CHANGE_MS = 120_000;
const WINDOW = { width: 1440, height: 900 };

const [name, base, shots, json] = process.argv.slice(2);
if (!/^[a-z-]+$/.test(name ?? "") || !base) {
  console.error("say which story and which service: node browser/story.mjs replay-webhook http://127.0.0.1:8083 [SHOTS_FOLDER] [JSON]");
  process.exit(2);
}
const { default: tell, hands = ["mouse"], mayLog = [] } = await import(`./stories/${name}.mjs`);
const known = JSON.parse(json || "{}");
if (shots) mkdirSync(shots, { recursive: true });

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(word, value = null) {
  const began = Date.now();
  console.log(`ask: ${word} ${JSON.stringify(value)}`);
  let timer;
  const late = new Promise((_, refuse) => (timer = setTimeout(() => refuse(new Error(`nobody answered "${word}" within ${CHANGE_MS} ms`)), CHANGE_MS)));
  const { value: line } = await Promise.race([answers.next(), late]).finally(() => clearTimeout(timer));
  console.log(`  done within ${((Date.now() - began) / 1000).toFixed(1)} s`);
  if (!line?.startsWith("done ")) throw new Error(`"${word}" was answered with: ${line ?? "nothing"}`);
  return JSON.parse(line.slice("done ".length));
}

/** In both themes; afterwards the page is as it was. */
async function shoot(page, theme, path) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${path}-${colorScheme}.png` });
  }
  await page.emulateMedia({ colorScheme: theme });
}

async function play(browser, kind, theme) {
  const began = Date.now();
  const failures = [];
  const context = await browser.newContext({ colorScheme: theme, viewport: WINDOW, reducedMotion: "reduce", locale: "en-GB" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  watch(page, base, (what) => failures.push(what), mayLog);
  let loads = 0;
  page.on("load", () => ++loads > 1 && failures.push("the page was loaded anew"));
  let at = "begin";
  const step = async (what, act) => {
    at = what;
    console.log(`  ${((Date.now() - began) / 1000).toFixed(1)} s  ${what}`);
    await act();
  };
  const sees = async (...all) => {
    // Somebody who sees a thing twice sees it: while a page changes, the old may stand beside the new.
    for (const one of all) await one.filter({ visible: true }).first().waitFor();
  };
  const shot = (of) => (shots && kind === hands[0] ? shoot(page, theme, join(shots, `story-${name}-${of}`)) : undefined);
  console.log(`${name}, ${kind}, ${theme}`);
  try {
    await page.goto(new URL("/ui/", base).href);
    await tell({ page, hand: HANDS[kind](page), known, step, sees, ask, shot });
  } catch (error) {
    failures.push(`“${at}”: ${error.message.replace(/\x1b\[\d+m/g, "")}`);
    console.error(`at ${page.url()}, “${await page.title().catch(() => "?")}”:\n${await page.locator("body").innerText().catch(() => "(no text)")}`);
    if (shots) await page.screenshot({ path: join(shots, `story-${name}-failed.png`) }).catch(() => {});
  }
  await context.close();
  for (const what of failures) console.error(`  ✗ ${what}`);
  return failures.length === 0;
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let isWell = true;
try {
  // The first that fails leaves a world that the next one does not expect.
  for (const [i, kind] of hands.entries()) isWell &&= await play(browser, kind, i === 0 ? "light" : "dark");
} finally {
  await browser.close();
}
console.log(isWell ? "all well" : "failed");
process.exit(isWell ? 0 : 1);
